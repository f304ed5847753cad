//! The ways of running a program that must not be told apart.

/// One way: its name, and what `bareflow-exec` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    pub name: &'static str,
    arguments: &'static [&'static str],
    /// Whether tiers change at random points, from a seed that is the program's.
    shuffled: bool,
}

/// The bar of the engine names the first seven; the rest mixes them, and climbs as a long run would.
pub const ALL: [Mode; 10] = [
    Mode::plain("interp", &["--tier=interp"]),
    Mode::plain("O0", &["--tier=O0"]),
    Mode::plain("O1", &["--tier=O1"]),
    Mode::plain("O2", &["--tier=O2"]),
    Mode::plain("O3", &["--tier=O3"]),
    Mode::shuffled("random", &[]),
    Mode::plain("osr", &["--force-osr"]),
    Mode::shuffled("random+osr", &["--force-osr"]),
    // Short programs climb all tiers, too, while the compiler works beside them.
    Mode::plain(
        "auto",
        &["--thresholds=2,8,32,128", "--loop-thresholds=8,32,128,512"],
    ),
    // The compiler works at once, in the thread that asked: the same in every run.
    Mode::plain(
        "sync",
        &[
            "--compilers=0",
            "--thresholds=1,2,3,4",
            "--loop-thresholds=1,2,3,4",
        ],
    ),
];

impl Mode {
    const fn plain(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Mode {
            name,
            arguments,
            shuffled: false,
        }
    }

    const fn shuffled(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Mode {
            name,
            arguments,
            shuffled: true,
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

    /// Its place in [`ALL`].
    pub fn number(&self) -> usize {
        ALL.iter().position(|m| m == self).unwrap_or(0)
    }
}

/// FNV-1a: the same number for a name in every run.
pub fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |h, b| {
        (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
    })
}
