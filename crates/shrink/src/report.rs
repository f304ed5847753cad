//! How much of the runtime a program never needs: by library, by object (in LLVM: by pass), in functions and bytes.
//!
//! Functions are those of the link data; bytes are those of the code that they lie in, each counted once.

use std::fmt::Write;

use formats::relink::Kind;

use crate::coverage::Coverage;
use crate::link_data::LinkData;

/// Counts of functions and bytes of code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// All functions.
    pub functions: usize,
    /// Those that ran.
    pub functions_run: usize,
    /// Bytes of all code.
    pub bytes: usize,
    /// Bytes of code that ran, counted by whole atoms.
    pub bytes_run: usize,
}

impl Use {
    /// Share of functions that never ran, 0 to 1.
    pub fn dead_functions(&self) -> f64 {
        share(self.functions - self.functions_run, self.functions)
    }

    /// Share of bytes that never ran, 0 to 1.
    pub fn dead_bytes(&self) -> f64 {
        share(self.bytes - self.bytes_run, self.bytes)
    }

    fn add(&mut self, other: &Self) {
        self.functions += other.functions;
        self.functions_run += other.functions_run;
        self.bytes += other.bytes;
        self.bytes_run += other.bytes_run;
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// One object file of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name, without the ending `.cpp`: in LLVM mostly that of the pass or class.
    pub name: String,
    /// What of it is used.
    pub used: Use,
}

/// One library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its name, without `lib`.
    pub name: String,
    /// What of it is used.
    pub used: Use,
    /// Its objects, the largest first.
    pub objects: Vec<Object>,
}

impl Library {
    /// Whether it belongs to LLVM.
    pub fn is_llvm(&self) -> bool {
        self.name.starts_with("LLVM")
    }
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Boots that were measured.
    pub boots: u32,
    /// Everything.
    pub all: Use,
    /// LLVM alone.
    pub llvm: Use,
    /// All libraries, the largest first.
    pub libraries: Vec<Library>,
}

/// Counts what ran.
pub fn report(link: &LinkData, coverage: &Coverage) -> Report {
    let sources = link.sources();
    let mut by_source = vec![Use::default(); sources.len()];
    let mut ran = vec![false; link.atoms.len()];
    for function in 0..link.functions.len() {
        let Some(atom) = link
            .functions
            .get(function)
            .and_then(|(address, _)| link.atom_at(address))
        else {
            continue;
        };
        let used = &mut by_source[link.atoms[atom].source as usize];
        used.functions += 1;
        if coverage.ran(function) {
            used.functions_run += 1;
            ran[atom] = true;
        }
    }
    for (atom, ran) in link.atoms.iter().zip(ran) {
        if atom.kind == Kind::Text {
            let used = &mut by_source[atom.source as usize];
            used.bytes += atom.bytes as usize;
            used.bytes_run += if ran { atom.bytes as usize } else { 0 };
        }
    }
    let mut libraries: std::collections::BTreeMap<String, Library> = Default::default();
    for ((library, object), used) in sources.into_iter().zip(by_source) {
        if used.bytes == 0 && used.functions == 0 {
            continue;
        }
        let entry = libraries.entry(library.clone()).or_insert(Library {
            name: library,
            used: Use::default(),
            objects: Vec::new(),
        });
        entry.used.add(&used);
        let name = object.trim_end_matches(".cpp").to_owned();
        entry.objects.push(Object { name, used });
    }
    let mut libraries: Vec<Library> = libraries.into_values().collect();
    libraries.sort_by_key(|library| std::cmp::Reverse(library.used.bytes));
    let (mut all, mut llvm) = (Use::default(), Use::default());
    for library in &mut libraries {
        library
            .objects
            .sort_by_key(|o| std::cmp::Reverse(o.used.bytes));
        all.add(&library.used);
        if library.is_llvm() {
            llvm.add(&library.used);
        }
    }
    Report {
        boots: coverage.boots,
        all,
        llvm,
        libraries,
    }
}

impl Report {
    /// As a table: libraries, and the objects with the most dead code.
    pub fn text(&self) -> String {
        let mut out = format!("measured boots: {}\n\n", self.boots);
        let _ = writeln!(
            out,
            "{:<32} {:>9} {:>9} {:>6}   {:>10} {:>10} {:>6}",
            "code", "functions", "ran", "dead", "bytes", "ran", "dead"
        );
        let mut line = |name: &str, used: &Use| {
            let _ = writeln!(
                out,
                "{name:<32} {:>9} {:>9} {:>5.1}%   {:>10} {:>10} {:>5.1}%",
                used.functions,
                used.functions_run,
                100.0 * used.dead_functions(),
                used.bytes,
                used.bytes_run,
                100.0 * used.dead_bytes()
            );
        };
        line("everything", &self.all);
        line("LLVM", &self.llvm);
        line("", &Use::default());
        for library in &self.libraries {
            line(&library.name, &library.used);
        }
        line("", &Use::default());
        let mut objects: Vec<_> = self
            .libraries
            .iter()
            .filter(|library| library.is_llvm())
            .flat_map(|library| library.objects.iter().map(move |object| (library, object)))
            .collect();
        objects.sort_by_key(|(_, o)| std::cmp::Reverse(o.used.bytes - o.used.bytes_run));
        for (library, object) in objects.into_iter().take(40) {
            let short = library.name.trim_start_matches("LLVM");
            line(&format!("{short}/{}", object.name), &object.used);
        }
        // The empty lines are made of zeroes.
        out.lines()
            .map(|line| match line.starts_with(' ') {
                true => "\n".to_owned(),
                false => format!("{line}\n"),
            })
            .collect()
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let used = |used: &Use| {
            format!(
                "\"functions\":{},\"functions_run\":{},\"bytes\":{},\"bytes_run\":{}",
                used.functions, used.functions_run, used.bytes, used.bytes_run
            )
        };
        let mut out = format!(
            "{{\"boots\":{},\"all\":{{{}}},\"llvm\":{{{}}},\"libraries\":[",
            self.boots,
            used(&self.all),
            used(&self.llvm)
        );
        for (index, library) in self.libraries.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(
                out,
                "{comma}\n{{\"name\":{},{},\"objects\":[",
                quoted(&library.name),
                used(&library.used)
            );
            for (index, object) in library.objects.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let name = quoted(&object.name);
                let _ = write!(out, "{comma}\n {{\"name\":{name},{}}}", used(&object.used));
            }
            out.push_str("]}");
        }
        out.push_str("]}\n");
        out
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evict::tests::tiny;

    #[test]
    fn functions_and_bytes_are_counted_by_source() {
        let (_, link) = tiny();
        let mut coverage = Coverage::new(&link);
        coverage.begin_boot();
        coverage.note_function(2);
        let report = report(&link, &coverage);
        assert_eq!(report.llvm, report.all);
        assert_eq!((report.llvm.functions, report.llvm.functions_run), (3, 1));
        assert_eq!((report.llvm.bytes, report.llvm.bytes_run), (0xC0, 0x80));
        assert_eq!(report.libraries[0].objects[0].name, "Value");
        assert!(report.text().contains("LLVMCore"));
        assert!(report.json().contains("\"name\":\"Value\",\"functions\":3"));
        assert_eq!(quoted("a\"\\\n"), "\"a\\\"\\\\\\u000a\"");
    }
}
