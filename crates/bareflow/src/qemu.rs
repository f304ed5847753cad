//! A machine in QEMU, described by types, and the command line that makes it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::{Artifacts, Error};

/// How the machine gets from power-on to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Boot {
    /// BIOS reads the image's own boot sector
    Disk,
    /// QEMU loads the kernel itself (PVH)
    Pvh,
    /// GRUB on a CD, started by the BIOS, finds the image (Multiboot2)
    Grub,
    /// UEFI firmware (OVMF) starts GRUB from the image (Multiboot2)
    Uefi,
}

/// The chipset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Chipset {
    /// i440FX of 1996, QEMU's default
    Pc,
    /// Q35 of 2009, with PCI Express and AHCI
    Q35,
    /// No PCI, virtio over MMIO; boots by PVH only
    Microvm,
}

/// The controller the disk hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum DiskInterface {
    /// virtio-blk (over PCI, or MMIO on microvm)
    Virtio,
    /// SATA behind an AHCI controller
    Ahci,
    /// Parallel ATA of the pc chipset
    Ide,
}

/// Who executes the machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Accelerator {
    /// QEMU translates them.
    Tcg,
    /// The host's processor does.
    Kvm,
}

/// Everything about a machine but its disk image.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Way of booting.
    pub boot: Boot,
    /// Chipset.
    pub chipset: Chipset,
    /// Disk controller.
    pub disk: DiskInterface,
    /// Processor model as QEMU names it; `None`: the best the accelerator has.
    pub cpu: Option<String>,
    /// Number of processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Accelerator.
    pub accelerator: Accelerator,
    /// A reset starts the machine again; otherwise it ends it.
    pub reboots: bool,
    /// Start stopped and wait for a debugger on TCP port 1234.
    pub wait_for_debugger: bool,
    /// Kernel options (`log=debug cpus=1`), one string.
    pub kernel_options: String,
    /// Arguments of the payload.
    pub arguments: Vec<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            boot: Boot::Disk,
            chipset: Chipset::Pc,
            disk: DiskInterface::Virtio,
            cpu: None,
            cpus: 1,
            memory_mib: 512,
            accelerator: Accelerator::Tcg,
            reboots: false,
            wait_for_debugger: false,
            kernel_options: String::new(),
            arguments: Vec::new(),
        }
    }
}

/// A QEMU command with the scratch files it names, which live as long as this value.
#[derive(Debug)]
pub struct Invocation {
    arguments: Vec<OsString>,
    scratch: tempfile::TempDir,
}

/// The program that is started.
pub const QEMU: &str = "qemu-system-x86_64";

impl Invocation {
    /// The command, ready for `stdin`, `stdout` and `spawn`. Serial port 1 is its standard output and input.
    pub fn command(&self) -> Command {
        let mut command = Command::new(QEMU);
        command.args(&self.arguments);
        command
    }

    /// The command as a person would type it.
    pub fn display(&self) -> String {
        let quote = |s: &OsString| {
            let s = s.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:+@".contains(c);
            if !s.is_empty() && s.chars().all(plain) {
                s.into_owned()
            } else {
                format!("'{}'", s.replace('\'', "'\\''"))
            }
        };
        let arguments: Vec<_> = self.arguments.iter().map(quote).collect();
        format!("{QEMU} {}", arguments.join(" "))
    }

    /// Keeps the scratch files for a person to run [`Self::display`] again; returns their folder.
    pub fn keep_scratch(self) -> PathBuf {
        self.scratch.keep()
    }
}

/// OVMF's code and variable store, in the places distributions put them.
const OVMF: [(&str, &str); 4] = [
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
];

impl Machine {
    /// Whether such a machine can exist; says what to choose instead.
    pub fn check(&self) -> Result<(), Error> {
        let impossible = |what: &str, instead: &str| {
            Err(Error::ImpossibleMachine {
                what: what.into(),
                instead: instead.into(),
            })
        };
        match (self.chipset, self.boot, self.disk) {
            (Chipset::Microvm, boot, _) if boot != Boot::Pvh => impossible(
                "microvm has no BIOS disk, GRUB or UEFI",
                "--boot pvh, or --machine pc",
            ),
            (Chipset::Microvm, _, disk) if disk != DiskInterface::Virtio => impossible(
                "microvm has virtio disks only",
                "--disk virtio, or --machine q35",
            ),
            (Chipset::Q35, _, DiskInterface::Ide) => {
                impossible("q35 has no parallel ATA", "--disk ahci, or --machine pc")
            }
            _ if self.cpus == 0 => impossible("a machine without a processor", "--cpus 1"),
            _ if self.memory_mib < 32 => {
                impossible("less than 32 MiB of memory", "--memory 256M or more")
            }
            _ => Ok(()),
        }
    }

    /// The command that boots the raw disk `image` on this machine.
    ///
    /// `kernel` is the kernel's ELF file (for [`Boot::Pvh`]); it is copied out of the image by the caller, so
    /// that what runs is what the image holds. `read_only` leaves the image untouched: writes are thrown away.
    pub fn invocation(
        &self,
        image: &Path,
        kernel: &[u8],
        artifacts: &Artifacts,
        read_only: bool,
    ) -> Result<Invocation, Error> {
        self.check()?;
        let scratch = tempfile::Builder::new()
            .prefix("bareflow-")
            .tempdir()
            .map_err(|e| Error::io("create", "a scratch folder", e))?;
        let write = |name: &str, content: &[u8]| {
            let path = scratch.path().join(name);
            std::fs::write(&path, content).map_err(|e| Error::io("write", &path, e))?;
            Ok::<_, Error>(path)
        };
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |parts: &[&str]| arguments.extend(parts.iter().map(OsString::from));
        add(&["-no-user-config", "-nodefaults", "-display", "none"]);
        if !self.reboots {
            add(&["-no-reboot"]);
        }
        add(&["-monitor", "none", "-serial", "stdio", "-vga"]);
        add(&[if self.chipset == Chipset::Microvm {
            "none"
        } else {
            "std"
        }]);
        add(&["-machine", &self.machine_option()]);
        add(&[
            "-accel",
            if self.accelerator == Accelerator::Kvm {
                "kvm"
            } else {
                "tcg"
            },
        ]);
        add(&["-cpu", self.cpu.as_deref().unwrap_or(self.default_cpu())]);
        add(&[
            "-smp",
            &self.cpus.to_string(),
            "-m",
            &format!("{}M", self.memory_mib),
        ]);
        add(&["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
        if self.wait_for_debugger {
            add(&["-S", "-gdb", "tcp::1234"]);
        }
        let snapshot = if read_only { ",snapshot=on" } else { "" };
        add(&[
            "-drive",
            &format!("if=none,id=disk,format=raw,file={}{snapshot}", comma(image)),
        ]);
        for option in self.disk_devices() {
            add(&["-device", option]);
        }
        match self.boot {
            Boot::Disk => {}
            Boot::Pvh => {
                let path = write("kernel.elf", kernel)?;
                add(&["-kernel", &path.to_string_lossy()]);
            }
            Boot::Grub => {
                let iso = artifacts.path("grub-bios.iso")?;
                let drive = format!("if=none,id=cd,media=cdrom,readonly=on,file={}", comma(&iso));
                add(&["-drive", &drive, "-device", "ide-cd,drive=cd,bootindex=0"]);
            }
            Boot::Uefi => {
                let (code, variables) = OVMF
                    .iter()
                    .find(|(code, vars)| Path::new(code).exists() && Path::new(vars).exists())
                    .ok_or(Error::MissingFirmware)?;
                let content =
                    std::fs::read(variables).map_err(|e| Error::io("read", variables, e))?;
                let own = write("variables.fd", &content)?;
                add(&[
                    "-drive",
                    &format!("if=pflash,format=raw,readonly=on,file={code}"),
                ]);
                add(&[
                    "-drive",
                    &format!("if=pflash,format=raw,file={}", comma(&own)),
                ]);
            }
        }
        if !self.kernel_options.is_empty() {
            let path = write("kernel-options", self.kernel_options.as_bytes())?;
            add(&[
                "-fw_cfg",
                &format!("name=opt/bareflow/kernel,file={}", comma(&path)),
            ]);
        }
        if !self.arguments.is_empty() {
            let mut content = Vec::new();
            for argument in &self.arguments {
                content.extend_from_slice(argument.as_bytes());
                content.push(0);
            }
            let path = write("arguments", &content)?;
            add(&[
                "-fw_cfg",
                &format!("name=opt/bareflow/args,file={}", comma(&path)),
            ]);
        }
        Ok(Invocation { arguments, scratch })
    }

    fn machine_option(&self) -> String {
        match self.chipset {
            Chipset::Pc => "pc".into(),
            Chipset::Q35 => "q35".into(),
            // fw_cfg and the serial port stay; the legacy timer, interrupt controller and clock go.
            Chipset::Microvm => "microvm,pit=off,pic=off,rtc=off,isa-serial=on".into(),
        }
    }

    fn default_cpu(&self) -> &'static str {
        match self.accelerator {
            Accelerator::Tcg => "max",
            Accelerator::Kvm => "host,-arch-capabilities",
        }
    }

    fn disk_devices(&self) -> &'static [&'static str] {
        match (self.disk, self.chipset) {
            (DiskInterface::Virtio, Chipset::Microvm) => &["virtio-blk-device,drive=disk"],
            (DiskInterface::Virtio, _) => &["virtio-blk-pci,drive=disk,bootindex=1"],
            (DiskInterface::Ahci, Chipset::Q35) => &["ide-hd,drive=disk,bus=ide.0,bootindex=1"],
            (DiskInterface::Ahci, _) => {
                &["ahci,id=ahci", "ide-hd,drive=disk,bus=ahci.0,bootindex=1"]
            }
            (DiskInterface::Ide, _) => &["ide-hd,drive=disk,bus=ide.0,bootindex=1"],
        }
    }
}

/// A path inside a QEMU option list: commas are doubled.
fn comma(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(machine: &Machine) -> String {
        let folder = Artifacts::at("/nowhere");
        machine
            .invocation(Path::new("a,b.img"), b"elf", &folder, true)
            .unwrap()
            .display()
    }

    #[test]
    fn a_comma_in_a_path_is_doubled_and_writes_can_be_thrown_away() {
        let line = line(&Machine::default());
        assert!(line.contains("file=a,,b.img,snapshot=on"), "{line}");
    }

    #[test]
    fn a_reset_ends_the_machine_unless_it_has_slots_to_fall_back_to() {
        assert!(line(&Machine::default()).contains("-no-reboot"));
        let reboots = Machine {
            reboots: true,
            ..Machine::default()
        };
        assert!(!line(&reboots).contains("-no-reboot"));
    }

    #[test]
    fn arguments_travel_nul_separated() {
        let machine = Machine {
            arguments: vec!["a b".into(), "c".into()],
            ..Machine::default()
        };
        let folder = Artifacts::at("/nowhere");
        let invocation = machine
            .invocation(Path::new("x"), b"", &folder, true)
            .unwrap();
        let file = invocation.scratch.path().join("arguments");
        assert_eq!(std::fs::read(file).unwrap(), b"a b\0c\0");
    }

    #[test]
    fn machines_that_cannot_exist_are_refused_with_an_alternative() {
        let refused = |machine: Machine, hint: &str| {
            let error = machine.check().unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        };
        let base = Machine::default;
        refused(
            Machine {
                chipset: Chipset::Microvm,
                ..base()
            },
            "--boot pvh",
        );
        refused(
            Machine {
                chipset: Chipset::Q35,
                disk: DiskInterface::Ide,
                ..base()
            },
            "--disk ahci",
        );
        refused(
            Machine {
                chipset: Chipset::Microvm,
                boot: Boot::Pvh,
                disk: DiskInterface::Ahci,
                ..base()
            },
            "--disk virtio",
        );
        refused(Machine { cpus: 0, ..base() }, "--cpus 1");
        refused(
            Machine {
                memory_mib: 1,
                ..base()
            },
            "--memory",
        );
    }

    #[test]
    fn each_boot_path_has_its_device() {
        let pvh = line(&Machine {
            boot: Boot::Pvh,
            ..Machine::default()
        });
        assert!(pvh.contains("-kernel"), "{pvh}");
        let machine = Machine {
            boot: Boot::Grub,
            ..Machine::default()
        };
        let folder = Artifacts::at("/nowhere");
        let error = machine
            .invocation(Path::new("x"), b"", &folder, true)
            .unwrap_err();
        assert!(matches!(error, Error::MissingArtifact { .. }));
    }
}
