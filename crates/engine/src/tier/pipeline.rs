//! Which passes a unit gets: less for large ones, so that no compile takes long.
//!
//! Passes take about as long as code generation. Guests come optimised by their front end, without vector code; what is
//! left for O1 is to inline across modules and to clean up what counters and copies brought. LLVM's own O1 does that
//! four times over, in twice the time, for the same code.
//!
//! ```text
//!            unit of at most `LARGE` instructions     larger
//!   O0       LLVM's                                   the same
//!   O1       `SHORT`                                  the same
//!   O2       LLVM's                                   `SHORT`
//!   O3       LLVM's                                   O2 of LLVM, nothing unrolled
//! ```

use crate::Level;

/// Instructions of a unit from which time counts more than the last percents of speed: about 60 milliseconds of LLVM's
/// O3 on a fast processor.
const LARGE: usize = 700;

/// Inlining, then once over everything.
const SHORT: &str = "cgscc(inline,function(sroa,early-cse<memssa>,instcombine<max-iterations=1;no-verify-fixpoint>,\
                     simplifycfg)),function(loop-mssa(loop-rotate,licm),simplifycfg<switch-to-lookup>)";

/// For a unit of so many instructions: the effort of code generation, and passes in `opt`'s notation.
pub(super) fn of(level: Level, instructions: usize) -> (Level, &'static str) {
    match level {
        Level::O1 => (Level::O1, SHORT),
        Level::O2 if instructions > LARGE => (Level::O2, SHORT),
        Level::O3 if instructions > LARGE => (Level::O2, Level::O2.pipeline()),
        _ => (level, level.pipeline()),
    }
}

/// Whether loops may be unrolled in a unit of so many instructions: it made one of 788 half as large again, a third of its
/// compile, and the llama guest no faster.
pub(super) fn unrolls(instructions: usize) -> bool {
    instructions <= LARGE
}

#[cfg(test)]
mod tests {
    use super::*;
    use llvm::{Context, Module};

    #[test]
    fn large_units_get_less() {
        for level in Level::ALL {
            let (small, large) = (of(level, LARGE), of(level, LARGE + 1));
            assert!(large.0 <= small.0 && small.0 == level);
            assert_eq!(small != large, level >= Level::O2, "{level}");
        }
    }

    #[test]
    fn short_passes_inline_and_clean_up() {
        let ir = "define available_externally i64 @g(i64 %x) {
 %s = alloca i64
 store i64 %x, ptr %s
 %y = load i64, ptr %s
 %z = add i64 %y, 0
 ret i64 %z
}
define i64 @f(i64 %x) {
 %a = call i64 @g(i64 %x)
 ret i64 %a
}";
        let context = Context::new();
        let mut module = Module::from_ir(&context, "t", ir).unwrap();
        module.run_passes(SHORT, None).unwrap();
        let text = module.to_ir();
        let f = text.split("@f(").nth(1).unwrap();
        assert!(f.contains("ret i64 %x") && !f.contains("call"), "{text}");
    }
}
