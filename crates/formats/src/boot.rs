//! Boot information: what the kernel knows before its first allocation.
//!
//! Three loaders (stage 2, a PVH machine monitor, GRUB) describe the machine in their own ways; the kernel
//! turns each into one [`BootInfo`]. It has a fixed size and lives without a heap, because it is
//! what the first frame allocator is made from.
//!
//! # `hvm_start_info`, version 1
//!
//! The structure that PVH hands over and that our stage 2 builds in the same form. Little endian.
//! Source: Xen, `xen/include/public/arch-x86/hvm/start_info.h`.
//!
//! 1. `0..4`: magic, `u32`, [`START_INFO_MAGIC`]
//! 2. `4..8`: version, `u32`; the memory map exists from version 1 on
//! 3. `8..12`: flags; `12..16`: number of modules
//! 4. `16..24`: physical address of the module list, or 0
//! 5. `24..32`: physical address of the command line (NUL-terminated), or 0
//! 6. `32..40`: physical address of the RSDP, or 0 if unknown
//! 7. `40..48`: physical address of the memory map
//! 8. `48..52`: number of entries of the memory map; `52..56`: zero
//!
//! Entry of the memory map, 24 bytes: address `u64`, size in bytes `u64`, type `u32` (numbers of E820), zero `u32`.

use core::fmt;

/// Magic of `hvm_start_info`: "xEn3" with bit 31 set.
pub const START_INFO_MAGIC: u32 = 0x336E_C578;
/// Size of `hvm_start_info` version 1 in bytes.
pub const START_INFO_BYTES: usize = 56;
/// Size of one entry of the memory map in bytes.
pub const MEMORY_MAP_ENTRY_BYTES: usize = 24;
/// Most regions that are kept; the firmware of real machines gives fewer than 100.
pub const MAX_REGIONS: usize = 128;
/// Most bytes of the command line that are kept.
pub const MAX_COMMAND_LINE_BYTES: usize = 2048;

/// How the kernel was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootPath {
    /// Our own boot sector and second stage.
    BiosDisk,
    /// PVH: the machine monitor loaded the kernel (`qemu -kernel`).
    Pvh,
    /// Multiboot2: GRUB, from BIOS or UEFI.
    Multiboot2,
}

impl BootPath {
    /// Name as it is printed and as tests look for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BiosDisk => "bios-disk",
            Self::Pvh => "pvh",
            Self::Multiboot2 => "multiboot2",
        }
    }
}

/// What a region of physical memory is good for. The numbers are those of E820 (ACPI 6.5, 15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryKind {
    /// Free to use (1).
    Usable,
    /// Not to be touched (2, and every number not known).
    Reserved,
    /// ACPI tables, free to use once they were read (3).
    AcpiReclaimable,
    /// Memory of the firmware (4).
    AcpiNvs,
    /// Memory with errors (5).
    Bad,
}

impl MemoryKind {
    /// Kind for an E820, PVH or Multiboot2 type number. Unknown numbers are reserved memory.
    pub fn from_e820(number: u32) -> Self {
        match number {
            1 => Self::Usable,
            3 => Self::AcpiReclaimable,
            4 => Self::AcpiNvs,
            5 => Self::Bad,
            _ => Self::Reserved,
        }
    }
}

/// A region of physical memory. `base + bytes` does not overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRegion {
    /// First physical address.
    pub base: u64,
    /// Size in bytes, at least 1.
    pub bytes: u64,
    /// What it is good for.
    pub kind: MemoryKind,
}

impl MemoryRegion {
    /// First physical address behind the region.
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.bytes)
    }
}

/// Everything the loaders tell the kernel, in one form.
#[derive(Clone)]
pub struct BootInfo {
    path: BootPath,
    rsdp: Option<u64>,
    regions: [MemoryRegion; MAX_REGIONS],
    region_count: usize,
    dropped_regions: usize,
    command_line: [u8; MAX_COMMAND_LINE_BYTES],
    command_line_bytes: usize,
    command_line_cut: bool,
}

impl BootInfo {
    /// Information without memory, command line or RSDP.
    pub const fn new(path: BootPath) -> Self {
        Self {
            path,
            rsdp: None,
            regions: [MemoryRegion {
                base: 0,
                bytes: 0,
                kind: MemoryKind::Reserved,
            }; MAX_REGIONS],
            region_count: 0,
            dropped_regions: 0,
            command_line: [0; MAX_COMMAND_LINE_BYTES],
            command_line_bytes: 0,
            command_line_cut: false,
        }
    }

    /// How the kernel was entered.
    pub fn path(&self) -> BootPath {
        self.path
    }

    /// Physical address of the ACPI root pointer, if the loader gave one.
    pub fn rsdp(&self) -> Option<u64> {
        self.rsdp
    }

    /// Sets the address of the ACPI root pointer; 0 means unknown.
    pub fn set_rsdp(&mut self, address: u64) {
        self.rsdp = (address != 0).then_some(address);
    }

    /// Adds a region. Empty ones are ignored, an end beyond 2^64 is cut, and beyond
    /// [`MAX_REGIONS`] regions are counted but not kept (memory is then unused, never misused, as long
    /// as the loader lists what is reserved by leaving it out of the usable regions).
    pub fn push_region(&mut self, base: u64, bytes: u64, kind: MemoryKind) {
        let bytes = bytes.min(u64::MAX - base);
        if bytes == 0 {
            return;
        }
        match self.regions.get_mut(self.region_count) {
            Some(slot) => {
                *slot = MemoryRegion { base, bytes, kind };
                self.region_count += 1;
            }
            None => self.dropped_regions += 1,
        }
    }

    /// The regions in the loader's order. They may overlap; the less usable kind then wins.
    pub fn regions(&self) -> &[MemoryRegion] {
        &self.regions[..self.region_count]
    }

    /// Number of regions for which there was no room.
    pub fn dropped_regions(&self) -> usize {
        self.dropped_regions
    }

    /// Sum of all usable regions in bytes.
    pub fn usable_bytes(&self) -> u64 {
        let usable = self
            .regions()
            .iter()
            .filter(|region| region.kind == MemoryKind::Usable);
        usable.fold(0, |sum: u64, region| sum.saturating_add(region.bytes))
    }

    /// Keeps the command line up to the first NUL and up to [`MAX_COMMAND_LINE_BYTES`] bytes.
    pub fn set_command_line(&mut self, text: &[u8]) {
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        let bytes = text.len().min(MAX_COMMAND_LINE_BYTES);
        self.command_line[..bytes].copy_from_slice(&text[..bytes]);
        self.command_line_bytes = bytes;
        self.command_line_cut = bytes < text.len();
    }

    /// The command line as the loader gave it. What is not UTF-8 ends it.
    pub fn command_line(&self) -> &str {
        let bytes = &self.command_line[..self.command_line_bytes];
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// True if the command line was longer than what was kept.
    pub fn command_line_was_cut(&self) -> bool {
        self.command_line_cut
    }
}

impl fmt::Debug for BootInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootInfo")
            .field("path", &self.path)
            .field("rsdp", &self.rsdp)
            .field("regions", &self.regions())
            .field("command_line", &self.command_line())
            .finish()
    }
}

/// The fields of an `hvm_start_info` that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartInfo {
    /// Physical address of the command line, 0 if there is none.
    pub command_line: u64,
    /// Physical address of the RSDP, 0 if unknown.
    pub rsdp: u64,
    /// Physical address of the memory map.
    pub memory_map: u64,
    /// Number of entries of the memory map.
    pub memory_map_entries: u32,
}

/// Why an `hvm_start_info` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartInfoError {
    /// Fewer than [`START_INFO_BYTES`] bytes.
    Truncated {
        /// Bytes given.
        found: usize,
    },
    /// Not [`START_INFO_MAGIC`].
    Magic {
        /// Value found.
        found: u32,
    },
    /// Version 0, which has no memory map.
    Version {
        /// Version found.
        found: u32,
    },
    /// No entry in the memory map.
    NoMemoryMap,
}

impl fmt::Display for StartInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { found } => {
                write!(
                    f,
                    "hvm_start_info: {found} bytes found, {START_INFO_BYTES} expected"
                )
            }
            Self::Magic { found } => {
                write!(
                    f,
                    "hvm_start_info: magic {found:#x} found, {START_INFO_MAGIC:#x} expected"
                )
            }
            Self::Version { found } => {
                write!(
                    f,
                    "hvm_start_info: version {found} found, at least 1 expected (no memory map)"
                )
            }
            Self::NoMemoryMap => write!(f, "hvm_start_info: the memory map is empty"),
        }
    }
}

impl core::error::Error for StartInfoError {}

impl StartInfo {
    /// Reads the structure.
    ///
    /// # Errors
    /// The first field that is wrong, in the order of the layout.
    pub fn parse(bytes: &[u8]) -> Result<Self, StartInfoError> {
        let Some(bytes) = bytes.first_chunk::<START_INFO_BYTES>() else {
            return Err(StartInfoError::Truncated { found: bytes.len() });
        };
        let magic = u32_at(bytes, 0);
        if magic != START_INFO_MAGIC {
            return Err(StartInfoError::Magic { found: magic });
        }
        let version = u32_at(bytes, 4);
        if version == 0 {
            return Err(StartInfoError::Version { found: version });
        }
        let memory_map = u64_at(bytes, 40);
        let memory_map_entries = u32_at(bytes, 48);
        if memory_map == 0 || memory_map_entries == 0 {
            return Err(StartInfoError::NoMemoryMap);
        }
        Ok(Self {
            command_line: u64_at(bytes, 24),
            rsdp: u64_at(bytes, 32),
            memory_map,
            memory_map_entries,
        })
    }
}

impl MemoryRegion {
    /// Reads one entry of an `hvm_start_info` memory map.
    pub fn parse_hvm_entry(bytes: &[u8; MEMORY_MAP_ENTRY_BYTES]) -> Self {
        let base = u64_at(bytes, 0);
        Self {
            base,
            bytes: u64_at(bytes, 8).min(u64::MAX - base),
            kind: MemoryKind::from_e820(u32_at(bytes, 16)),
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_beyond_the_limit_are_counted() {
        let mut info = BootInfo::new(BootPath::Pvh);
        for i in 0..MAX_REGIONS as u64 + 3 {
            info.push_region(i * 4096, 4096, MemoryKind::Usable);
        }
        assert_eq!(info.regions().len(), MAX_REGIONS);
        assert_eq!(info.dropped_regions(), 3);
        assert_eq!(info.usable_bytes(), MAX_REGIONS as u64 * 4096);
    }

    #[test]
    fn a_region_never_wraps() {
        let mut info = BootInfo::new(BootPath::BiosDisk);
        info.push_region(u64::MAX - 10, 4096, MemoryKind::Reserved);
        info.push_region(5, 0, MemoryKind::Usable);
        assert_eq!(info.regions().len(), 1);
        assert_eq!(info.regions()[0].end(), u64::MAX);
    }

    #[test]
    fn the_command_line_ends_at_nul_and_at_what_is_not_text() {
        let mut info = BootInfo::new(BootPath::Multiboot2);
        info.set_command_line(b"log=debug -- hi\0garbage");
        assert_eq!(info.command_line(), "log=debug -- hi");
        info.set_command_line(b"ok\xFFno");
        assert_eq!(info.command_line(), "ok");
        info.set_command_line(&[b'a'; MAX_COMMAND_LINE_BYTES + 1]);
        assert!(info.command_line_was_cut());
        assert_eq!(info.command_line().len(), MAX_COMMAND_LINE_BYTES);
    }

    #[test]
    fn start_info_names_what_is_wrong() {
        let mut bytes = [0u8; START_INFO_BYTES];
        assert_eq!(
            StartInfo::parse(&bytes),
            Err(StartInfoError::Magic { found: 0 })
        );
        bytes[0..4].copy_from_slice(&START_INFO_MAGIC.to_le_bytes());
        assert_eq!(
            StartInfo::parse(&bytes),
            Err(StartInfoError::Version { found: 0 })
        );
        bytes[4] = 1;
        assert_eq!(StartInfo::parse(&bytes), Err(StartInfoError::NoMemoryMap));
        bytes[41] = 0x80;
        bytes[48] = 2;
        bytes[33] = 0x0F;
        assert_eq!(
            StartInfo::parse(&bytes),
            Ok(StartInfo {
                command_line: 0,
                rsdp: 0xF00,
                memory_map: 0x8000,
                memory_map_entries: 2
            })
        );
        assert_eq!(
            StartInfo::parse(&bytes[..55]),
            Err(StartInfoError::Truncated { found: 55 })
        );
    }
}
