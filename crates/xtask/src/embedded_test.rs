//! QEMU tests of a payload inside the kernel's own file (formats::embed), by every way of booting.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use bareflow::image::ImageBuilder;
use bareflow::qemu::{Boot, Chipset, DiskInterface, Machine};
use formats::embed::embed;
use formats::exit::Reason;

use crate::build::read;
use crate::machine_test::MachineTest;
use crate::paths::Paths;
use crate::payloads;

const WAYS: [(&str, Boot, Chipset, DiskInterface); 5] = [
    ("disk", Boot::Disk, Chipset::Pc, DiskInterface::Virtio),
    ("pvh", Boot::Pvh, Chipset::Pc, DiskInterface::Virtio),
    (
        "pvh-microvm",
        Boot::Pvh,
        Chipset::Microvm,
        DiskInterface::Virtio,
    ),
    ("grub", Boot::Grub, Chipset::Pc, DiskInterface::Ahci),
    ("uefi", Boot::Uefi, Chipset::Q35, DiskInterface::Virtio),
];

/// The small kernel with a payload smaller than `.bss` and with one several times as large, on a disk with nothing
/// else to start.
pub fn tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let part = |name: &str| read(&paths.artifacts().join(name));
    let source = |name: &str| {
        paths
            .root
            .join("crates/kernel/tests/payloads")
            .join(format!("{name}.c"))
    };
    let gate_flags = [
        "-nostdlib",
        "-ffreestanding",
        "-mno-red-zone",
        "-fno-stack-protector",
    ]
    .map(String::from);
    let programs = [
        ("gate", &gate_flags[..], 7, "gate: a thread ran"),
        ("threads", &[], 0, "ok "),
    ];
    let mut tests = Vec::new();
    for (name, flags, code, text) in programs {
        let program = read(&payloads::compile(paths, name, &source(name), flags)?)?;
        let kernel = embed(&part("kernel-small.elf")?, &program)?;
        let path = paths
            .scratch("payloads")?
            .join(format!("embedded-{name}.img"));
        let mut builder =
            ImageBuilder::new(part("stage1.bin")?, part("stage2.bin")?, kernel.clone())?;
        let loader = paths.artifacts().join("BOOTX64.EFI");
        let has_loader = loader.exists();
        if has_loader {
            builder.add_file("/EFI/BOOT/BOOTX64.EFI", &loader);
        }
        builder.write(&path, &mut |_| {}, &AtomicBool::new(false))?;
        let kernel = Arc::new(kernel);
        for (way, boot, chipset, disk) in WAYS {
            if boot == Boot::Uefi && !has_loader {
                continue;
            }
            tests.push(MachineTest {
                name: format!("machine/embedded/{name}/{way}"),
                image: path.clone(),
                kernel: kernel.clone(),
                machine: Machine {
                    boot,
                    chipset,
                    disk,
                    cpus: 2,
                    memory_mib: 128,
                    ..Machine::default()
                },
                input: Vec::new(),
                expect: vec![text.into()],
                forbid: vec!["FAILED".into()],
                exit: Reason::Program(code).qemu_status(),
                timeout: Duration::from_secs(120),
                keep_writes: false,
            });
        }
    }
    Ok(tests)
}
