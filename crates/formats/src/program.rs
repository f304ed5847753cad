//! What names a guest program on a disk: one number, from the heads of its modules.
//!
//! The head of a container ([`llbc`](crate::llbc)) holds the hash of its bitcode and of its strings, so 104 bytes of each
//! module say which program it is. Kernel and runtime take the number of what lies in [`FOLDER`]; native programs carry it
//! in their note and boot slots beside their file, so that machine code of another program is not started.
//!
//! The number is the sum of one checksum for each module, over the name in lower case, a NUL and the head: the order in
//! which a directory lists its files does not matter.

use crate::checksum::Checksum;
use crate::llbc;

/// Folder of the program's modules.
pub const FOLDER: &str = "/app";
/// Bytes from the start of a module that are looked at.
pub const HEAD_BYTES: usize = 104;
/// How names of modules end, in any case.
const ENDING: &[u8] = b".llbc";

/// Whether a file of [`FOLDER`] is a module. FAT keeps case or not, depending on who wrote it.
pub fn is_module(name: &str) -> bool {
    let name = name.as_bytes();
    name.len()
        .checked_sub(ENDING.len())
        .is_some_and(|at| name[at..].eq_ignore_ascii_case(ENDING))
}

/// The number of a program whose modules are added one by one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProgramHash(u64);

impl ProgramHash {
    /// Adds a module: its file name and its content, of which a container's head suffices.
    pub fn add(&mut self, name: &str, content: &[u8]) {
        let content = match content.starts_with(&llbc::MAGIC) {
            true => &content[..content.len().min(HEAD_BYTES)],
            false => content,
        };
        let mut sum = Checksum::new();
        for byte in name.bytes() {
            sum.update(&[byte.to_ascii_lowercase()]);
        }
        sum.update(&[0]).update(content);
        self.0 = self.0.wrapping_add(sum.finish());
    }

    /// The number; never 0, which stands for any program.
    pub fn finish(self) -> u64 {
        self.0.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(modules: &[(&str, &[u8])]) -> u64 {
        let mut hash = ProgramHash::default();
        for (name, content) in modules {
            hash.add(name, content);
        }
        hash.finish()
    }

    #[test]
    fn names_and_heads_count_and_order_does_not() {
        let mut module = [7; 400];
        module[..4].copy_from_slice(&llbc::MAGIC);
        let both = of(&[("a.llbc", &module), ("b.llbc", b"LLBC")]);
        assert_eq!(both, of(&[("B.LLBC", b"LLBC"), ("A.llbc", &module)]));
        assert_eq!(
            both,
            of(&[("a.llbc", &module[..HEAD_BYTES]), ("b.llbc", b"LLBC")])
        );
        assert_ne!(both, of(&[("b.llbc", &module), ("a.llbc", b"LLBC")]));
        assert_ne!(both, of(&[("a.llbc", &module)]));
        module[HEAD_BYTES - 1] ^= 1;
        assert_ne!(both, of(&[("a.llbc", &module), ("b.llbc", b"LLBC")]));
        assert_ne!(of(&[]), 0);
    }

    #[test]
    fn what_has_no_head_counts_whole() {
        let mut text = *b"define i32 @bf_main() { ret i32 0 }";
        let one = of(&[("a.ll", &text)]);
        text[text.len() - 3] = b'1';
        assert_ne!(one, of(&[("a.ll", &text)]));
    }

    #[test]
    fn modules_are_known_by_their_names() {
        for name in ["main.llbc", "MAIN.LLBC", ".llbc"] {
            assert!(is_module(name), "{name}");
        }
        for name in ["args", "llbc", "main.llbc.part", "é.llb"] {
            assert!(!is_module(name), "{name}");
        }
    }
}
