//! Which functions come along with one that is compiled, to be inlined into it.
//!
//! LLVM decides what is inlined; but all that comes along is optimised before it decides, and that is most of a
//! compile's time if most of it is not inlined in the end. So only what LLVM would take comes along: its limits depend on
//! the size of the callee and on how often the call is reached, and the profile tells that here as it does there.
//!
//! ```text
//!  call reached        LLVM's threshold / cost of an instruction     comes along up to
//!  never               45 / 5                                        `COLD` instructions
//!  often, in a loop    525 to 3000 / 5                               `Reach::hot`
//!  else                225 or 250 / 5, less what arguments save      `Reach::each`
//! ```
//!
//! A callee shrinks before it is inlined, so limits in instructions are above LLVM's.

use crate::Level;
use llvm::ir::{Value, ValueKind, View};
use std::collections::{HashMap, HashSet};

/// Calls and block counts of a function by name, where they are known.
type Counts<'c> = dyn Fn(&str) -> Option<(u64, Vec<u64>)> + 'c;

/// Most instructions of a function that comes along for calls that were never reached.
const COLD: usize = 12;
/// A call is reached often if it is at least once in so many executions of the hottest block.
const OFTEN: f64 = 0.01;

/// A function that is larger than a unit should be brings one in so many of the instructions beyond that along, of what is
/// called often or tiny: its compile takes long in any case, and is little longer for them.
const LARGE_SHARE: usize = 4;

/// How much of what a function calls comes along, in instructions.
struct Reach {
    /// Of one function.
    each: usize,
    /// Of one function that is called often, or of whose calls nothing is known.
    hot: usize,
    /// Of all.
    all: usize,
    /// Of all, and of the function itself: larger ones bring less along.
    unit: usize,
    /// Calls deep.
    depth: usize,
}

fn reach(level: Level) -> Option<Reach> {
    match level {
        Level::O0 => None,
        Level::O1 => Some(Reach {
            each: 60,
            hot: 60,
            all: 600,
            unit: 1_300,
            depth: 2,
        }),
        Level::O2 => Some(Reach {
            each: 100,
            hot: 400,
            all: 800,
            unit: 1_000,
            depth: 4,
        }),
        Level::O3 => Some(Reach {
            each: 120,
            hot: 500,
            all: 1_000,
            unit: 800,
            depth: 5,
        }),
    }
}

/// A function of the program.
struct Body {
    /// Instructions, those left out that become no code.
    size: usize,
    /// Functions it calls by name, with the blocks the calls are in.
    callees: Vec<(String, Vec<u32>)>,
    /// Whether it is to be inlined whatever it costs.
    always: bool,
}

/// All functions that have a body.
pub(crate) struct CallGraph(HashMap<String, Body>);

/// A call that may be inlined.
struct Site<'g> {
    callee: &'g str,
    /// Executions for each call of the function compiled; `None` if nothing is known.
    often: Option<f64>,
}

impl CallGraph {
    pub fn new(view: View<'_>) -> Self {
        let functions = view.functions().into_iter();
        let bodies = functions.filter(|f| !f.is_declaration());
        CallGraph(bodies.map(|f| (f.name(), Body::of(f))).collect())
    }

    /// Instructions of a function; 0 if it has no body.
    pub fn size(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |b| b.size)
    }

    /// What comes along with `name`: what it calls, and what that calls, the nearest and most frequent first. `more` are
    /// called through pointers. `counts` knows the calls of a function and the executions of its blocks.
    pub fn copies(
        &self,
        counts: &Counts<'_>,
        name: &str,
        level: Level,
        more: &[String],
    ) -> HashSet<&str> {
        let mut copies = HashSet::new();
        let Some(reach) = reach(level) else {
            return copies;
        };
        let size = self.size(name);
        let room = reach.unit.saturating_sub(size).min(reach.all);
        let beyond = size.saturating_sub(reach.unit) / LARGE_SHARE;
        let more_room = beyond.min(reach.all).max(room);
        let mut total = 0;
        let (mut sites, hottest) = self.sites(counts, name, Some(1.0));
        let promoted = more.iter().filter_map(|m| self.0.get_key_value(m));
        sites.extend(promoted.map(|(callee, _)| Site {
            callee,
            often: None,
        }));
        for _ in 0..reach.depth {
            let rate = |s: &Site<'_>| s.often.unwrap_or(f64::MAX);
            sites.sort_by(|a, b| {
                let by_rate = rate(b).total_cmp(&rate(a));
                by_rate.then_with(|| a.callee.cmp(b.callee))
            });
            let mut next = Vec::new();
            for site in std::mem::take(&mut sites) {
                let Some(body) = self.0.get(site.callee) else {
                    continue;
                };
                let most = match site.often {
                    _ if body.always => usize::MAX,
                    Some(n) if n <= 0.0 => COLD,
                    Some(n) if n < OFTEN * hottest => reach.each,
                    _ => reach.hot,
                };
                let is_hot = site.often.is_some_and(|n| n >= OFTEN * hottest);
                let is_worth_it = is_hot || body.size <= COLD;
                let room = if is_worth_it { more_room } else { room };
                let fits = body.size <= most && total + body.size <= room.max(COLD);
                if site.callee != name && (fits || body.always) && copies.insert(site.callee) {
                    total += body.size;
                    next.extend(self.sites(counts, site.callee, site.often).0);
                }
            }
            sites = next;
        }
        copies
    }

    /// The calls in a function that is itself called `often`, and the executions of its hottest block.
    fn sites(&self, counts: &Counts<'_>, name: &str, often: Option<f64>) -> (Vec<Site<'_>>, f64) {
        let Some(body) = self.0.get(name) else {
            return (Vec::new(), 0.0);
        };
        let counts = often.zip(counts(name));
        let of_block = |block: u32| {
            let (often, (calls, counts)) = counts.as_ref()?;
            let count = counts.get(block as usize).copied()?;
            Some(count as f64 / (*calls).max(1) as f64 * often)
        };
        let sites = body.callees.iter().map(|(callee, blocks)| Site {
            callee,
            often: blocks.iter().map(|b| of_block(*b)).sum(),
        });
        let hottest = (0..counts.as_ref().map_or(0, |c| c.1.1.len() as u32))
            .filter_map(of_block)
            .fold(0.0, f64::max);
        (sites.collect(), hottest)
    }
}

impl Body {
    fn of(f: Value<'_>) -> Self {
        let mut size = 0;
        let mut callees: HashMap<String, Vec<u32>> = HashMap::new();
        for (number, block) in f.blocks().iter().enumerate() {
            for i in block.instructions() {
                let callee = i.callee().filter(|c| c.kind() == ValueKind::Function);
                size += usize::from(!callee.is_some_and(is_remark));
                if let Some(c) = callee.filter(|c| !c.is_declaration() && !c.is_intrinsic()) {
                    callees.entry(c.name()).or_default().push(number as u32);
                }
            }
        }
        let mut callees: Vec<_> = callees.into_iter().collect();
        callees.sort_unstable();
        Body {
            size,
            callees,
            always: f.has("alwaysinline"),
        }
    }
}

/// Whether calls of a function become no code.
fn is_remark(callee: Value<'_>) -> bool {
    const REMARKS: [&str; 4] = [
        "llvm.lifetime.",
        "llvm.dbg.",
        "llvm.assume",
        "llvm.experimental.noalias.scope.decl",
    ];
    callee.is_intrinsic() && REMARKS.iter().any(|r| callee.name().starts_with(r))
}

#[cfg(test)]
mod tests {
    use super::*;
    use llvm::{Context, Module};
    use std::fmt::Write;

    /// A function of so many instructions.
    fn body(name: &str, size: usize) -> String {
        let mut ir = format!("define i64 @{name}(i64 %v0) {{\n");
        for i in 1..size {
            let _ = writeln!(ir, " %v{i} = add i64 %v{}, %v0", i - 1);
        }
        let _ = writeln!(ir, " ret i64 %v{}\n}}", size - 1);
        ir
    }

    /// `f` calls `hot` in a loop, `warm` before it, `never` where it never was; `warm` calls `deep`.
    fn program(size: usize) -> String {
        let mut ir = String::from(
            "define i64 @f(i64 %x, i1 %c) {
 %a = call i64 @warm(i64 %x)
 br label %loop
loop:
 %b = call i64 @hot(i64 %x)
 br i1 %c, label %loop, label %end
end:
 br i1 %c, label %rare, label %out
rare:
 %d = call i64 @never(i64 %x)
 br label %out
out:
 ret i64 %a
}
define i64 @warm(i64 %x) {
 %a = call i64 @deep(i64 %x)
 ret i64 %a
}
",
        );
        for name in ["hot", "deep", "never"] {
            ir += &body(name, size);
        }
        ir
    }

    fn copies(ir: &str, level: Level, known: bool, more: &[&str]) -> Vec<String> {
        let context = Context::new();
        let module = Module::from_ir(&context, "t", ir).unwrap();
        let graph = CallGraph::new(View::new(&module));
        let counts = |name: &str| match name {
            "f" => known.then(|| (10, vec![10, 100_000, 10, 0, 10])),
            _ => known.then(|| (10, vec![10])),
        };
        let more: Vec<String> = more.iter().map(|m| (*m).to_owned()).collect();
        let mut found: Vec<String> = graph
            .copies(&counts, "f", level, &more)
            .into_iter()
            .map(str::to_owned)
            .collect();
        found.sort();
        found
    }

    #[test]
    fn how_often_a_call_is_reached_decides() {
        let o3 = |size, known| copies(&program(size), Level::O3, known, &[]);
        assert_eq!(o3(8, true), ["deep", "hot", "never", "warm"]);
        assert_eq!(o3(50, true), ["deep", "hot", "warm"]);
        assert_eq!(o3(300, true), ["hot", "warm"]);
        assert_eq!(o3(240, false), ["deep", "hot", "never", "warm"]);
        assert_eq!(o3(600, true), ["warm"]);
        assert_eq!(copies(&program(50), Level::O0, true, &[]), [""; 0]);
    }

    #[test]
    fn all_together_have_a_limit() {
        assert_eq!(copies(&program(350), Level::O3, false, &[]).len(), 3);
        // A large function takes along what it calls often, up to a quarter of what it is too large.
        let large = |size| {
            let many = (0..1_280).map(|i| format!("%u{i} = add i64 %x, {i}\n "));
            let first = many.collect::<String>() + "%a = call i64 @warm";
            program(size).replace("%a = call i64 @warm", &first)
        };
        let o3 = |size| copies(&large(size), Level::O3, true, &[]);
        assert_eq!(o3(110), ["hot", "warm"]);
        assert_eq!(o3(150), ["warm"]);
        assert_eq!(o3(11), ["deep", "hot", "never", "warm"]);
    }

    #[test]
    fn what_must_be_inlined_and_what_is_called_through_pointers_comes_along() {
        let ir = program(600).replace("@never(i64 %v0) {", "@never(i64 %v0) alwaysinline {")
            + &body("promoted", 400)
            + &body("other", 4);
        let found = copies(&ir, Level::O3, true, &["promoted"]);
        assert_eq!(found, ["never", "promoted", "warm"]);
    }

    #[test]
    fn remarks_are_no_instructions() {
        let ir = "declare void @llvm.assume(i1)
define void @f(i1 %c) {
 call void @llvm.assume(i1 %c)
 ret void
}";
        let context = Context::new();
        let module = Module::from_ir(&context, "t", ir).unwrap();
        let graph = CallGraph::new(View::new(&module));
        assert_eq!((graph.size("f"), graph.size("g")), (1, 0));
    }
}
