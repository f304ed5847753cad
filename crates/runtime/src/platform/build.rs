//! Which build of runtime and LLVM this is: the GNU build id that the linker put into the program.

use formats::checksum::checksum;
use std::sync::OnceLock;

/// Type of the note, and the name of its owner.
const NT_GNU_BUILD_ID: u32 = 3;
const OWNER: &[u8] = b"GNU\0";

/// The number of this build: equal numbers mean the same LLVM and the same hooks. Computed once.
pub fn id() -> u64 {
    static ID: OnceLock<u64> = OnceLock::new();
    *ID.get_or_init(|| {
        let mut found = None;
        // SAFETY: the callback fits, and gets a pointer to `found`, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
        // Without a note, versions have to do: whoever links without one has no store either.
        found.unwrap_or_else(|| checksum(env!("CARGO_PKG_VERSION").as_bytes()))
    })
}

unsafe extern "C" fn look(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    found: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the C library describes a loaded object: its headers, and segments that are readable while it is loaded.
    unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        for header in headers.iter().filter(|h| h.p_type == libc::PT_NOTE) {
            let start = (info.dlpi_addr + header.p_vaddr) as usize;
            let start = std::ptr::with_exposed_provenance::<u8>(start);
            let notes = std::slice::from_raw_parts(start, header.p_memsz as usize);
            if let Some(id) = build_id(notes) {
                *found.cast::<Option<u64>>() = Some(checksum(id));
            }
        }
    }
    // The first object is the program itself.
    1
}

/// The build id among the notes of a segment.
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let word = |at: usize| {
            head[at..at + 4]
                .iter()
                .rev()
                .fold(0, |n, b| n << 8 | u32::from(*b))
        };
        let padded = |n: u32| (n as usize).next_multiple_of(4);
        let (name, rest) = rest.split_at_checked(padded(word(0)))?;
        let content = rest.get(..word(4) as usize)?;
        if word(8) == NT_GNU_BUILD_ID && name == OWNER {
            return Some(content);
        }
        notes = rest.get(padded(word(4))..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_found_among_others() {
        let note = |kind: u32, name: &[u8], content: &[u8]| {
            let mut bytes = Vec::new();
            for word in [name.len() as u32, content.len() as u32, kind] {
                bytes.extend(word.to_le_bytes());
            }
            for part in [name, content] {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        };
        let mut notes = note(1, b"GNU\0", &[1, 2, 3, 4, 5]);
        notes.extend(note(3, b"Xen\0", &[9; 4]));
        assert_eq!(build_id(&notes), None);
        notes.extend(note(3, b"GNU\0", &[7; 20]));
        assert_eq!(build_id(&notes), Some(&[7; 20][..]));
        notes.truncate(notes.len() - 1);
        assert_eq!(build_id(&notes), None);
    }

    #[test]
    fn a_build_is_itself() {
        assert_eq!(id(), id());
        assert_ne!(id(), checksum(env!("CARGO_PKG_VERSION").as_bytes()));
    }
}
