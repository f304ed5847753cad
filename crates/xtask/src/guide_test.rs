//! The suite `guide`: docs/GUIDE.md, typed by a machine.
//!
//! - A block of C whose first line is `/* NAME: ...`, and a block ```` ```text NAME ````, become files.
//! - Lines `$ COMMAND` of a `console` block run in one folder, in order; what follows is what they print. A line `...`
//!   stands for any number of lines, `...` at a line's end for any rest.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::machines::bareflow;
use crate::paths::Paths;
use crate::test::Counts;

/// What a block of the guide asks for.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    File { name: &'a str, content: String },
    Command { line: &'a str, prints: Vec<&'a str> },
}

/// Runs the whole guide, unless `filter` names another suite's tests.
pub fn suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    if filter.is_some_and(|f| !f.starts_with("guide")) {
        return Ok(counts);
    }
    if !paths.artifacts().join("libc/libc.bc").exists() {
        println!("guide: not tested, its programs need the C library (./x build --only libc)");
        return Ok(counts);
    }
    let path = paths.root.join("docs/GUIDE.md");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let folder = tempfile::tempdir_in(paths.scratch("guide")?)?;
    for step in parse(&text)? {
        match step {
            Step::File { name, content } => std::fs::write(folder.path().join(name), content)?,
            Step::Command { line, prints } => counts.run(&format!("guide/{line}"), || {
                let printed = typed(paths, folder.path(), line)?;
                fits(&prints, &printed)
            }),
        }
    }
    ensure!(
        counts.passed + counts.failed > 0,
        "the guide has no command"
    );
    Ok(counts)
}

/// What a command prints, errors included.
fn typed(paths: &Paths, folder: &Path, line: &str) -> Result<String> {
    let program = bareflow(paths)?;
    let home = Path::new(program.get_program())
        .parent()
        .context("the command is in no folder")?;
    let search = std::env::var("PATH").unwrap_or_default();
    let done = Command::new("bash")
        .arg("-c")
        .arg(format!("exec 2>&1; {line}"))
        .env("PATH", format!("{}:{search}", home.display()))
        .env("BAREFLOW_ARTIFACTS", paths.artifacts())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn parse(text: &str) -> Result<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
        let content = || block.join("\n") + "\n";
        if kind == "console" {
            for line in block {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(line), _) => steps.push(Step::Command {
                        line,
                        prints: Vec::new(),
                    }),
                    (None, Some(Step::Command { prints, .. })) => prints.push(line),
                    (None, _) => bail!("a console block begins with {line:?} instead of `$ `"),
                }
            }
        } else if kind == "c" {
            let first = block.first().copied().unwrap_or_default();
            let name = first
                .strip_prefix("/* ")
                .and_then(|rest| rest.split_once(':'))
                .with_context(|| format!("a block of C begins with {first:?}, not `/* NAME:`"))?;
            steps.push(Step::File {
                name: name.0,
                content: content(),
            });
        } else if let Some(name) = kind.strip_prefix("text ") {
            steps.push(Step::File {
                name,
                content: content(),
            });
        }
    }
    Ok(steps)
}

/// Whether lines fit a pattern.
fn fits(pattern: &[&str], printed: &str) -> Result<()> {
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let mut at = 0;
    let mut anywhere = false;
    for expected in pattern {
        if *expected == "..." {
            anywhere = true;
            continue;
        }
        let is = |line: &&str| match expected.strip_suffix("...") {
            Some(start) => line.starts_with(start),
            None => line == expected,
        };
        let rest = lines.get(at..).unwrap_or_default();
        let found = match anywhere {
            true => rest.iter().position(is),
            false => rest.first().filter(|l| is(l)).map(|_| 0),
        };
        match found {
            Some(skipped) => at += skipped + 1,
            None => bail!("{expected:?} was not printed in its place; it printed:\n{printed}"),
        }
        anywhere = false;
    }
    ensure!(
        anywhere || at == lines.len(),
        "more was printed than the guide has:\n{printed}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found() {
        let text = "```c\n/* a.c: x */\nint a;\n```\nwords\n```console\n$ one\nprinted\n...\n$ two\n```\n```text t\nx\n```\n";
        let file = |name, content: &str| Step::File {
            name,
            content: content.into(),
        };
        let command = |line, prints: &[&'static str]| Step::Command {
            line,
            prints: prints.to_vec(),
        };
        assert_eq!(
            parse(text).unwrap(),
            [
                file("a.c", "/* a.c: x */\nint a;\n"),
                command("one", &["printed", "..."]),
                command("two", &[]),
                file("t", "x\n"),
            ]
        );
        assert!(parse("```console\nno command\n```\n").is_err());
        assert!(parse("```c\nint a;\n```\n").is_err());
    }

    #[test]
    fn lines_are_compared_in_order_and_to_the_end() {
        let good: [(&[&str], &str); 4] = [
            (&["a", "b"], "a\nb\n"),
            (&["...", "b"], "x\ny\nb\n"),
            (&["a...", "..."], "abc\nd\n"),
            (&["..."], ""),
        ];
        for (pattern, printed) in good {
            fits(pattern, printed).unwrap();
        }
        let bad: [(&[&str], &str); 5] = [
            (&["a", "b"], "b\na\n"),
            (&["a"], "a\nb\n"),
            (&["a", "...", "b"], "a\nc\n"),
            (&["b"], "a\nb\n"),
            (&[], "a\n"),
        ];
        for (pattern, printed) in bad {
            assert!(fits(pattern, printed).is_err(), "{pattern:?} {printed:?}");
        }
    }
}
