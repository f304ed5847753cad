//! The suite `sqlite`: a program of a quarter million lines from outside, beside what clang makes of it for Linux.
//!
//! Image and Linux program are built of the same sources: SQLite's amalgamation and examples/sqlite. Both run
//! guests/sqlite.sql (some 270 statements, errors among them) and must print the same.
//!
//! - `sqlite/hosted/...`: as a Linux process, interpreted and climbing.
//! - `sqlite/machine/script`: on the machine, in QEMU.
//! - `sqlite/machine/files`: a database on the volume, made by a Linux process, grown by the machine, read by the next
//!   process; `fsck.fat` has nothing to say.
//!
//! SQLite is fetched (`sqlite_sources.rs`); where it cannot be had, or no C library was built, the suite says so and is skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bareflow::Artifacts;
use bareflow::qemu::{Boot, Chipset, Machine};
use formats::exit::Reason;

use crate::bench_endurance;
use crate::machine_test::{self, MachineTest, Outcome};
use crate::machines::{Image, bareflow};
use crate::paths::Paths;
use crate::sh::{self, run};
use crate::sqlite_sources;
use crate::test::Counts;

/// How SQLite is configured, for both.
const DEFINES: [&str; 4] = [
    "SQLITE_THREADSAFE=0",
    "SQLITE_ENABLE_MATH_FUNCTIONS",
    "SQLITE_OMIT_LOAD_EXTENSION",
    "SQLITE_SOUNDEX",
];
/// The program of ours around it.
const EXAMPLE: &str = "examples/sqlite";
/// The statements.
const SCRIPT: &str = "crates/xtask/guests/sqlite.sql";

/// The same sources as an image and as a Linux program.
pub struct Builds {
    /// The image, without a store; the script is its `/script.sql`.
    pub image: PathBuf,
    /// The Linux program.
    pub native: PathBuf,
    /// The script.
    pub script: PathBuf,
}

/// Builds both, the Linux program with these options.
///
/// # Errors
/// What a compiler refused.
pub fn builds(paths: &Paths, sources: &Path, clang: &[&str]) -> Result<Builds> {
    let folder = paths.scratch("sqlite")?;
    let amalgamation = sources.join("sqlite3.c");
    let script = paths.root.join(SCRIPT);
    let native = folder.join(format!("native{}", clang.concat()));
    let mut compile = Command::new("clang-22");
    compile
        .args(clang)
        .arg("-w")
        .args(DEFINES.map(|name| format!("-D{name}")))
        .arg("-I")
        .arg(sources)
        .arg(paths.root.join(EXAMPLE).join("main.c"))
        .arg(&amalgamation)
        .args(["-lm", "-o"])
        .arg(&native);
    run(&mut compile)?;
    let image = folder.join("sqlite.img");
    let mut build = bareflow(paths)?;
    build.args(["build", EXAMPLE]).arg(&amalgamation);
    build
        .arg("-I")
        .arg(sources)
        .args(["-D", "SQLITE_OS_OTHER=1"]);
    for name in DEFINES {
        build.args(["-D", name]);
    }
    build.args(["--cflag", "-w", "--store", "0", "--file"]);
    build.arg(format!("{}:/script.sql", script.display()));
    sh::output(build.arg("-o").arg(&image))?;
    Ok(Builds {
        image,
        native,
        script,
    })
}

/// Runs the suite, or the tests of it whose names contain `filter`.
pub fn suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    if filter.is_some_and(|f| !f.starts_with("sqlite")) {
        return Ok(counts);
    }
    if !paths.artifacts().join("libc/libc.bc").exists() {
        println!("sqlite: skipped, it needs the C library (./x build --only libc)");
        return Ok(counts);
    }
    let sources = match sqlite_sources::fetch(paths) {
        Ok(sources) => sources,
        Err(error) => {
            println!("sqlite: skipped, its sources cannot be had: {error:#}");
            return Ok(counts);
        }
    };
    let builds = builds(paths, &sources, &["-O0"])?;
    let expected = Command::new(&builds.native)
        .arg("-f")
        .arg(&builds.script)
        .output()
        .context("cannot start the Linux program")?;
    let lines = expected.stdout.iter().filter(|b| **b == b'\n').count();
    ensure!(lines > 500, "the Linux program printed {lines} lines only");
    for (name, options) in [
        ("interpreted", &["--tier", "interp"][..]),
        ("climbing", &[]),
        ("ahead", &["--ahead", "O1"]),
    ] {
        counts.run(&format!("sqlite/hosted/{name}"), || {
            let mut hosted = bareflow(paths)?;
            hosted.arg("run").arg(&builds.image).arg("--hosted");
            hosted.args(options).args(["--", "-f", "/script.sql"]);
            same(&hosted.stdin(Stdio::null()).output()?, &expected)
        });
    }
    let artifacts = Artifacts::at(paths.artifacts());
    let logs = paths.scratch("logs")?;
    counts.run("sqlite/machine/script", || {
        let mut test = machine_test("script", &builds.image, &["-f", "/script.sql"])?;
        let text = String::from_utf8_lossy(&expected.stdout);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        test.expect = lines.chunks(20).map(|piece| piece.concat()).collect();
        // Errors of the script are what it is for.
        test.exit = Reason::Program(1).qemu_status();
        passed(&machine_test::run_one(&test, &artifacts, &logs))
    });
    counts.run("sqlite/machine/files", || {
        let disk = paths.scratch("sqlite")?.join("files.img");
        sh::output(
            Command::new("cp")
                .args(["--sparse=always"])
                .arg(&builds.image)
                .arg(&disk),
        )?;
        let hosted = |sql: &str| {
            let mut run = bareflow(paths)?;
            run.arg("run").arg(&disk).arg("--hosted");
            sh::output(run.args(["--", "-d", DATABASE, sql]).stdin(Stdio::null()))
        };
        ensure!(hosted(MADE)? == "400|80200\n", "the first process");
        let mut test = machine_test("files", &disk, &["-d", DATABASE, GROWN])?;
        test.expect = vec!["400|80200\n400\n440|97020\n".into()];
        test.keep_writes = true;
        passed(&machine_test::run_one(&test, &artifacts, &logs))?;
        let found = hosted("pragma integrity_check; select count(*), sum(a), max(b) from t;")?;
        ensure!(
            found == "ok\n440|97020|row 440\n",
            "the last process found {found:?}"
        );
        bench_endurance::fsck(paths, &disk)
    });
    Ok(counts)
}

/// The database of `sqlite/machine/files`, and what is done to it.
const DATABASE: &str = "/rows.db";
const MADE: &str = "create table t(a integer primary key, b text);
    with recursive c(i) as (select 1 union all select i + 1 from c where i < 400)
    insert into t select i, printf('row %03d', i) from c;
    create index t_b on t(b);
    select count(*), sum(a) from t;";
const GROWN: &str = "select count(*), sum(a) from t;
    begin; delete from t where a > 7; update t set b = 'lost'; rollback;
    select count(*) from t where b like 'row%';
    begin;
    with recursive c(i) as (select 401 union all select i + 1 from c where i < 440)
    insert into t select i, printf('row %03d', i) from c;
    commit;
    select count(*), sum(a) from t;";

/// A boot by PVH with these arguments; nothing is expected of it yet but its end.
fn machine_test(name: &str, image: &Path, arguments: &[&str]) -> Result<MachineTest> {
    let image = Image::open(image.into())?;
    let words = arguments.iter().map(|a| (*a).to_owned());
    Ok(MachineTest {
        name: format!("sqlite/machine/{name}"),
        image: image.path,
        kernel: image.kernel,
        machine: Machine {
            boot: Boot::Pvh,
            chipset: Chipset::Pc,
            cpus: 2,
            memory_mib: 512,
            arguments: std::iter::once("--".to_owned()).chain(words).collect(),
            ..Machine::default()
        },
        input: Vec::new(),
        expect: Vec::new(),
        forbid: vec!["panic".into(), "exception".into()],
        exit: Reason::Program(0).qemu_status(),
        timeout: Duration::from_secs(400),
        keep_writes: false,
    })
}

fn passed(outcome: &Outcome) -> Result<()> {
    match &outcome.failure {
        None => Ok(()),
        Some(failure) => bail!("{failure}"),
    }
}

/// Both printed the same and ended with the same code; else the first line that differs is named.
fn same(got: &Output, expected: &Output) -> Result<()> {
    let (ours, theirs) = (
        String::from_utf8_lossy(&got.stdout),
        String::from_utf8_lossy(&expected.stdout),
    );
    let error = String::from_utf8_lossy(&got.stderr);
    equal(&ours, &theirs).with_context(|| error.clone().into_owned())?;
    ensure!(
        got.status.code() == expected.status.code(),
        "{}, expected {}; {error}",
        got.status,
        expected.status
    );
    Ok(())
}

/// Holds two texts against each other, line by line.
fn equal(ours: &str, theirs: &str) -> Result<()> {
    let (mut a, mut b) = (ours.lines(), theirs.lines());
    for number in 1.. {
        let pair = (a.next(), b.next());
        ensure!(
            pair.0 == pair.1,
            "line {number}: {:?}, expected {:?}",
            pair.0.unwrap_or("(the end)"),
            pair.1.unwrap_or("(the end)")
        );
        if pair == (None, None) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert!(equal("a\nb\n", "a\nb\n").is_ok());
        let error = equal("a\nb\n", "a\nc\n").unwrap_err().to_string();
        assert!(error.contains("line 2: \"b\", expected \"c\""), "{error}");
        let error = equal("a\n", "a\nc\n").unwrap_err().to_string();
        assert!(error.contains("(the end)"), "{error}");
        assert!(equal("a\nb\n", "a\n").is_err());
    }
}
