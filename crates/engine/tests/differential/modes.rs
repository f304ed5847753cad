//! The ways of running a program that must not be told apart.

use engine::profile::Tier;

/// What a mode is for, beside the same output: a run in which that did not happen shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Nothing is compiled, but what the interpreter cannot express.
    Interpreted,
    /// Every function that ran has code of this tier.
    Reaches(Tier),
    /// Some programs have code compiled.
    Compiles,
    /// Some programs are left in loops.
    Replaces,
    /// Each loop that goes round is left once by code of this tier, in one of several runs: see `loops.rs`.
    Leaves(Tier),
}

/// One way: its name, and what `bareflow-exec` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    pub name: &'static str,
    arguments: &'static [&'static str],
    /// Whether tiers change at random points, from a seed that is the program's.
    shuffled: bool,
    pub promise: Promise,
}

/// Thresholds that nothing reaches.
const NEVER: &str = "--loop-thresholds=1000000000000,1000000000000,1000000000000,1000000000000";

/// The bar of the engine names the first nine; the rest mixes them, and climbs as a long run would.
pub const ALL: [Mode; 12] = [
    Mode::plain("interp", Promise::Interpreted, &["--tier=interp"]),
    Mode::plain("O0", Promise::Reaches(Tier::O0), &["--tier=O0"]),
    Mode::plain("O1", Promise::Reaches(Tier::O1), &["--tier=O1"]),
    Mode::plain("O2", Promise::Reaches(Tier::O2), &["--tier=O2"]),
    Mode::plain("O3", Promise::Reaches(Tier::O3), &["--tier=O3"]),
    Mode::shuffled("random", Promise::Compiles, &[]),
    // Functions stay in one tier, so that it is known from where each loop is left.
    Mode::plain(
        "osr",
        Promise::Leaves(Tier::Interp),
        &[
            "--force-osr",
            "--compilers=0",
            "--thresholds=1000000000000,1000000000000,1000000000000,1000000000000",
            NEVER,
        ],
    ),
    Mode::plain(
        "osr-O0",
        Promise::Leaves(Tier::O0),
        &[
            "--force-osr",
            "--compilers=0",
            "--thresholds=1,1000000000000,1000000000000,1000000000000",
            NEVER,
        ],
    ),
    Mode::plain(
        "osr-O1",
        Promise::Leaves(Tier::O1),
        &[
            "--force-osr",
            "--compilers=0",
            "--thresholds=1,1,1000000000000,1000000000000",
            NEVER,
        ],
    ),
    Mode::shuffled("random+osr", Promise::Replaces, &["--force-osr"]),
    // Short programs climb all tiers, too, while the compiler works beside them.
    Mode::plain(
        "auto",
        Promise::Compiles,
        &["--thresholds=2,8,32,128", "--loop-thresholds=8,32,128,512"],
    ),
    // The compiler works at once, in the thread that asked: the same in every run.
    Mode::plain(
        "sync",
        Promise::Compiles,
        &[
            "--compilers=0",
            "--thresholds=1,2,3,4",
            "--loop-thresholds=1,2,3,4",
        ],
    ),
];

impl Mode {
    const fn plain(
        name: &'static str,
        promise: Promise,
        arguments: &'static [&'static str],
    ) -> Self {
        Mode {
            name,
            arguments,
            shuffled: false,
            promise,
        }
    }

    const fn shuffled(
        name: &'static str,
        promise: Promise,
        arguments: &'static [&'static str],
    ) -> Self {
        Mode {
            name,
            arguments,
            shuffled: true,
            promise,
        }
    }

    /// Arguments of `bareflow-exec` for a program of this name. Each round has other random points.
    pub fn arguments(&self, program: &str, round: u32) -> Vec<String> {
        let mut all: Vec<String> = self.arguments.iter().map(|a| (*a).to_owned()).collect();
        if self.shuffled {
            let seed = hash(program).wrapping_add(round.wrapping_mul(0x9E37_79B9));
            all.push(format!("--shuffle={}", seed % 100_000));
        }
        all
    }

    /// The levels of bitcode it runs, of so many. Each program and round has other ones, except that unoptimised and
    /// optimised code are always interpreted.
    pub fn levels(&self, program: &str, round: u32, all: usize) -> Vec<usize> {
        let turn = hash(program) as usize + round as usize;
        match self.promise {
            Promise::Interpreted => vec![0, all - 1],
            // The same in all of these: what is reached has to be found out once.
            Promise::Leaves(_) => vec![turn % all],
            _ => vec![(turn + self.number()) % all],
        }
    }

    /// Its place in [`ALL`].
    fn number(&self) -> usize {
        ALL.iter().position(|m| m == self).unwrap_or(0)
    }
}

/// FNV-1a: the same number for a name in every run.
pub fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |h, b| {
        (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
    })
}
