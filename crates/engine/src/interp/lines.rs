//! Source lines of an interpreted function's instructions.
//!
//! Written down when a function with debug information is decoded; without any it costs nothing. Read by handlers of
//! faults, so nothing here allocates when it is asked.

use crate::memory::SourceFrame;
use llvm::ir::Value;
use std::collections::HashMap;

/// Most functions inlined into each other that are told of one place.
const DEEPEST: usize = 16;

/// A place in the source, by numbers of [`Lines::texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Frame {
    function: u32,
    file: u32,
    line: u32,
}

/// Which instruction comes from which line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    texts: Vec<String>,
    frames: Vec<Frame>,
    /// First instruction, and where its frames are in [`Lines::frames`], innermost first. By instruction.
    rows: Vec<(u32, u32, u32)>,
    numbers: HashMap<String, u32>,
}

impl Lines {
    fn text(&mut self, text: String) -> u32 {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    /// Says that the instructions from number `at` on come from where `value` does. What the compiler made up belongs to
    /// the line before.
    pub(crate) fn begin(&mut self, at: usize, value: Value<'_>) {
        let found = value.source_frames();
        if found.first().is_none_or(|f| f.line == 0) {
            return;
        }
        let start = self.frames.len();
        for f in found.into_iter().take(DEEPEST) {
            let frame = Frame {
                function: self.text(f.function),
                file: self.text(f.file),
                line: f.line,
            };
            self.frames.push(frame);
        }
        let end = self.frames.len();
        if let Some(&(_, from, to)) = self.rows.last()
            && self.frames[from as usize..to as usize] == self.frames[start..end]
        {
            self.frames.truncate(start);
            return;
        }
        // An instruction that needed none of its own gives its place to the next.
        if self.rows.last().is_some_and(|row| row.0 == at as u32) {
            self.rows.pop();
        }
        self.rows.push((at as u32, start as u32, end as u32));
    }

    /// To be called when all is written down.
    pub(crate) fn finish(&mut self) {
        self.numbers = HashMap::new();
        self.texts.shrink_to_fit();
        self.frames.shrink_to_fit();
        self.rows.shrink_to_fit();
    }

    /// Calls `visit` with where instruction number `at` comes from: no frames if nobody knows.
    pub(crate) fn frames(&self, at: usize, visit: &mut dyn FnMut(&[SourceFrame<'_>])) {
        let after = self.rows.partition_point(|row| row.0 as usize <= at);
        let row = after.checked_sub(1).and_then(|n| self.rows.get(n));
        let Some(&(_, from, to)) = row else {
            return visit(&[]);
        };
        let none = SourceFrame {
            function: None,
            file: "",
            line: 0,
        };
        let mut list = [none; DEEPEST];
        let found = self
            .frames
            .get(from as usize..to as usize)
            .unwrap_or_default();
        let text = |number: u32| self.texts.get(number as usize).map_or("", String::as_str);
        for (to, f) in list.iter_mut().zip(found) {
            *to = SourceFrame {
                function: Some(text(f.function)).filter(|name| !name.is_empty()),
                file: text(f.file).trim_start_matches("./"),
                line: f.line,
            };
        }
        visit(&list[..found.len().min(DEEPEST)]);
    }
}
