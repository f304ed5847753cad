//! What a program asks of the engine that runs it: the answers of the first part of `jit_runtime.h`.
//!
//! A name is that of a function of the program or, where there is none, of a region it marked. Programs that run without an
//! engine (compiled ahead) have regions only.

use crate::Level;
use crate::profile::{CyclesReport, regions};
use crate::tier::{Engine, Thresholds};

/// [`level_number`] of a function in the interpreter.
const INTERPRETED: i32 = -1;
/// [`level`] of a function that the program has not.
const UNKNOWN: i32 = -2;
/// Backward jumps that count as much as one call.
const BACK_EDGES: u64 = 100;

fn region(name: &str) -> Option<CyclesReport> {
    let mut all = regions::reports().into_iter();
    all.find(|r| r.name == name)?.cycles
}

/// Calls of a function, or passes through a region; 0 for an unknown name.
pub fn calls(engine: Option<&Engine>, name: &str) -> u64 {
    match engine.and_then(|engine| engine.function(name)) {
        Some(function) => function.calls,
        None => region(name).map_or(0, |cycles| cycles.samples),
    }
}

/// Cycles that a call of a function or a pass through a region takes on average; 0 for what was not measured.
pub fn average_cycles(engine: Option<&Engine>, name: &str) -> u64 {
    let cycles = match engine.and_then(|engine| engine.function(name)) {
        Some(function) => function.cycles,
        None => region(name),
    };
    cycles.map_or(0, |cycles| cycles.average())
}

/// A level as programs see it: 0 to 3, or -1 for the interpreter.
pub fn level_number(level: Option<Level>) -> i32 {
    level.map_or(INTERPRETED, |level| level as i32)
}

/// The level of a function's code as [`level_number`], or -2 if there is no function of that name.
pub fn level(engine: &Engine, name: &str) -> i32 {
    let function = engine.function(name);
    function.map_or(UNKNOWN, |function| level_number(function.level))
}

/// Calls from which functions are warm (O1), hot (O2) and very hot (O3), as thresholds for calls and loops; a tenth of
/// `warm` leaves the interpreter. `None` unless they ascend from 1.
pub fn thresholds(warm: u64, hot: u64, very_hot: u64) -> Option<Thresholds> {
    if warm == 0 || warm > hot || hot > very_hot {
        return None;
    }
    let calls = [(warm / 10).max(1), warm, hot, very_hot];
    Some(Thresholds {
        calls,
        back_edges: calls.map(|calls| calls.saturating_mul(BACK_EDGES)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_ascend() {
        let set = thresholds(5, 50, 500).unwrap();
        assert_eq!(set.calls, [1, 5, 50, 500]);
        assert_eq!(set.back_edges, [100, 500, 5_000, 50_000]);
        assert_eq!(
            thresholds(u64::MAX, u64::MAX, u64::MAX).unwrap().back_edges,
            [u64::MAX; 4]
        );
        for (warm, hot, very_hot) in [(0, 1, 2), (3, 2, 4), (1, 5, 4)] {
            assert!(thresholds(warm, hot, very_hot).is_none());
        }
    }

    #[test]
    fn regions_answer_where_no_function_does() {
        let region = regions::register("introspection.test").unwrap();
        regions::begin(region);
        regions::end(region);
        assert_eq!(calls(None, "introspection.test"), 1);
        assert_eq!(
            (
                calls(None, "introspection.none"),
                average_cycles(None, "introspection.none")
            ),
            (0, 0)
        );
    }

    #[test]
    fn levels_have_numbers() {
        assert_eq!(level_number(None), -1);
        assert_eq!(
            Level::ALL.map(|level| level_number(Some(level))),
            [0, 1, 2, 3]
        );
    }
}
