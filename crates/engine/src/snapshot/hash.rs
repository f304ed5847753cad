//! Hashes of functions: equal hashes mean equal IR, and with it equal code.
//!
//! A function's hash is taken of the text of a module that holds it alone: its body, attributes and metadata, the
//! declarations of what it refers to, and the values of constants it can reach, which optimisation may read. Numbers of
//! attribute groups and metadata count within that module only, so other functions leave no trace in it. Inlined
//! functions count by their own hashes: see [`of_unit`]. Source lines do not count: a comment above a function would cost all
//! code below it. So kept code tells the lines that it was compiled from.

use llvm::Module;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;

/// A BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Hash(*blake3::hash(bytes).as_bytes())
    }

    /// Hash of several byte strings; where one ends counts.
    pub fn of_all<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Hash(*hasher.finalize().as_bytes())
    }

    /// Its first 64 bits: a key to store something under.
    pub fn key(self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.key())
    }
}

/// Hash of one function of the pristine program.
pub(crate) fn of_function(program: &Module<'_>, name: &str) -> Result<Hash, llvm::Error> {
    let mut alone = program.extract(&HashSet::from([name]), &HashSet::new());
    alone.set_name("");
    alone.strip_debug_info();
    alone.run_passes("globaldce,strip-dead-prototypes", None)?;
    Ok(Hash::of(alone.to_ir().as_bytes()))
}

/// Hash of what a unit was built from: its functions in their order.
pub(crate) fn of_unit<'a>(members: impl IntoIterator<Item = (&'a str, Hash)>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for (name, hash) in members {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&hash.0);
    }
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use llvm::Context;

    const PROGRAM: &str = "
        @table = internal constant [2 x i32] [i32 1, i32 2]
        @state = internal global i32 0
        define i32 @f(i32 %x) #0 {
          %a = load i32, ptr @table
          %r = call i32 @g(i32 %a)
          ret i32 %r
        }
        define internal i32 @g(i32 %x) {
          store i32 %x, ptr @state
          ret i32 %x
        }
        attributes #0 = { noinline }";

    fn hashes(text: &str) -> [Hash; 2] {
        let context = Context::new();
        let module = Module::from_ir(&context, "m", text).unwrap();
        ["f", "g"].map(|f| of_function(&module, f).unwrap())
    }

    #[test]
    fn what_a_function_depends_on_changes_its_hash_and_nothing_else_does() {
        let [f, g] = hashes(PROGRAM);
        assert_ne!(f, g);
        let changed = |from: &str, to: &str| {
            assert!(PROGRAM.contains(from));
            let [f2, g2] = hashes(&PROGRAM.replace(from, to));
            (f2 != f, g2 != g)
        };
        assert_eq!(
            changed("@state = internal", "@state = internal"),
            (false, false)
        );
        // A body, a call, an attribute, a constant that can be read.
        assert_eq!(changed("ret i32 %x", "ret i32 7"), (false, true));
        assert_eq!(
            changed("call i32 @g(i32 %a)", "call i32 @g(i32 9)"),
            (true, false)
        );
        assert_eq!(changed("{ noinline }", "{ optsize }"), (true, false));
        assert_eq!(changed("[i32 1, i32 2]", "[i32 1, i32 3]"), (true, false));
        // What a variable starts with is not known to those who use it.
        assert_eq!(changed("global i32 0", "global i32 5"), (false, false));
        // Another function with other attributes and metadata.
        let more = format!("define void @first() alwaysinline {{ ret void }}\n{PROGRAM}");
        assert_eq!(hashes(&more), [f, g]);
    }

    #[test]
    fn source_lines_do_not_count() {
        let text = |line: u32| {
            format!(
                "define i32 @f(i32 %x) !dbg !3 {{
                   %r = add i32 %x, 1, !dbg !4
                   ret i32 %r, !dbg !4
                 }}
                 define i32 @g(i32 %x) !dbg !6 {{
                   ret i32 %x, !dbg !7
                 }}
                 !llvm.dbg.cu = !{{!0}}
                 !llvm.module.flags = !{{!2}}
                 !0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, emissionKind: FullDebug)
                 !1 = !DIFile(filename: \"a.c\", directory: \"/\")
                 !2 = !{{i32 2, !\"Debug Info Version\", i32 3}}
                 !3 = distinct !DISubprogram(name: \"f\", scope: !1, file: !1, line: {line}, type: !5, unit: !0, spFlags: DISPFlagDefinition)
                 !4 = !DILocation(line: {line}, column: 1, scope: !3)
                 !5 = !DISubroutineType(types: !{{}})
                 !6 = distinct !DISubprogram(name: \"g\", scope: !1, file: !1, line: 1, type: !5, unit: !0, spFlags: DISPFlagDefinition)
                 !7 = !DILocation(line: 1, column: 1, scope: !6)"
            )
        };
        let [f, g] = hashes(&text(7));
        assert_ne!(f, g);
        assert_eq!(hashes(&text(8)), [f, g]);
    }

    #[test]
    fn units_know_their_members_by_name_and_content() {
        let (a, b) = (Hash::of(b"a"), Hash::of(b"b"));
        let unit = of_unit([("f", a), ("g", b)]);
        assert_eq!(unit, of_unit([("f", a), ("g", b)]));
        for other in [
            [("f", a), ("g", a)],
            [("f", b), ("g", b)],
            [("f", a), ("h", b)],
        ] {
            assert_ne!(unit, of_unit(other));
        }
        assert_ne!(
            Hash::of_all([&b"ab"[..], b"c"]),
            Hash::of_all([&b"a"[..], b"bc"])
        );
    }
}
