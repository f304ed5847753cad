//! A program is a process like any other: input, output, arguments, signals, threads, exit.

mod common;

use common::{Folder, WAYS, run, text};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const SIGINT: i32 = 2;
const SIGABRT: i32 = 6;
const SIGFPE: i32 = 8;
const SIGSEGV: i32 = 11;
const SIGPIPE: i32 = 13;

#[test]
fn exit_codes_and_output_are_the_programs() {
    let folder = Folder::with(
        "a.c",
        "#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  printf(\"out\");
  fprintf(stderr, \"err\");
  if (argc > 1) exit(atoi(argv[1]));
  return 200;
}",
    );
    folder.always(&["a.c"], "out", 200);
    for way in WAYS {
        let got = folder.run(&[&["a.c"], way, &["--", "41"]].concat());
        assert_eq!(got.status.code(), Some(41));
        assert_eq!((text(&got.stdout), text(&got.stderr)), ("out", "err"));
    }
}

#[test]
fn arguments_environment_and_working_directory() {
    let folder = Folder::with(
        "a.c",
        "#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv, char **envp) {
  for (int i = 0; i <= argc; i++) printf(\"%s|\", argv[i] ? argv[i] : \"end\");
  argv[0][0] = 'A';
  int found = 0;
  for (; *envp; envp++) found += !strcmp(*envp, \"COLOUR=red\");
  FILE *f = fopen(\"data.txt\", \"r\");
  char line[20] = \"\";
  fgets(line, 20, f);
  printf(\"%s %d %s %s\", argv[0], found, getenv(\"COLOUR\"), line);
  return 0;
}",
    )
    .and("data.txt", "42");
    let mut command = folder.command(&["a.c", "--", "--tier", "", "x y"]);
    let got = run(command.env("COLOUR", "red"));
    assert_eq!(text(&got.stdout), "a.c|--tier||x y|end|A.c 1 red 42");
    let mut command = folder.command(&["--argv0", "/bin/me", "a.c"]);
    let got = run(command.env("COLOUR", "blue"));
    assert_eq!(text(&got.stdout), "/bin/me|end|Abin/me 0 blue 42");
}

#[test]
fn standard_input_is_left_to_the_program() {
    let folder = Folder::with(
        "a.c",
        "#include <stdio.h>
int main(void) { int c, n = 0; while ((c = getchar()) != EOF) n += c == 'x'; return n; }",
    );
    let mut child = folder
        .command(&["a.c"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"axbxcx\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_signal_that_ends_the_program_ends_the_process() {
    let folder = Folder::with(
        "a.c",
        "#include <stdio.h>
#include <stdlib.h>
#include <assert.h>
volatile int zero;
int main(int argc, char **argv) {
  switch (argv[1][0]) {
    case 'a': abort();
    case 'A': assert(zero);
    case 'd': return 7 / zero;
    case 's': *(volatile int *)64 = 1;
  }
  return 0;
}",
    );
    for way in [&["--tier=interp"][..], &["--tier=O0"], &["--tier=O2"]] {
        for (letter, signal) in [
            ("a", SIGABRT),
            ("A", SIGABRT),
            ("d", SIGFPE),
            ("s", SIGSEGV),
        ] {
            let got = folder.run(&[&["a.c"], way, &["--", letter]].concat());
            assert_eq!(
                got.status.signal(),
                Some(signal),
                "{way:?} {letter} {got:?}"
            );
            if letter == "A" {
                assert!(text(&got.stderr).starts_with("a.c: "), "{got:?}");
            }
        }
    }
}

#[test]
fn ctrl_c_ends_a_busy_program() {
    let folder = Folder::with(
        "a.c",
        "#include <unistd.h>
volatile long n;
int main(void) { write(1, \"ready\\n\", 6); for (;;) n++; }",
    );
    for way in [&["--tier=interp"][..], &[]] {
        let mut child = folder
            .command(&[&["a.c"], way].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        run(Command::new("kill").args(["-INT", &child.id().to_string()]));
        assert_eq!(child.wait().unwrap().signal(), Some(SIGINT));
    }
}

#[test]
fn writing_to_nobody_ends_the_program() {
    let folder = Folder::with(
        "a.c",
        "#include <stdio.h>
int main(void) { for (;;) puts(\"y\"); }",
    );
    let mut child = folder
        .command(&["a.c"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().signal(), Some(SIGPIPE));
}

#[test]
fn signals_are_handled_by_the_program_alone() {
    // While the only thread of the program blocks a signal, no thread of the engine may take it.
    let folder = Folder::with(
        "a.c",
        "#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static volatile sig_atomic_t seen;
static void handler(int s) { seen += s == SIGUSR1; }
int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  signal(SIGUSR1, handler);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR2);
  volatile long n = 0;
  for (int i = 0; i < 3000000; i++) n += i;
  int got = 0;
  sigwait(&set, &got);
  printf(\"%d %d\", seen, got == SIGUSR1);
  sigwait(&set, &got);
  printf(\" %d\\n\", got == SIGUSR2);
  return 0;
}",
    );
    folder.always(&["a.c"], "2 1 1\n", 0);
}

#[test]
fn constructors_come_first_and_handlers_last() {
    let folder = Folder::with(
        "a.c",
        "#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor(300))) static void second(int argc) { printf(\"c%d \", argc); }
__attribute__((constructor(200))) static void first(void) { printf(\"a \"); }
__attribute__((destructor)) static void last(void) { puts(\"d\"); }
static void handler(void) { printf(\"h \"); }
int main(void) { atexit(handler); printf(\"m \"); exit(3); }",
    );
    folder.always(&["a.c"], "a c1 m h d\n", 3);
}

#[test]
fn threads_of_the_program() {
    let folder = Folder::with(
        "a.c",
        "#include <pthread.h>
#include <threads.h>
#include <stdatomic.h>
#include <stdio.h>
static atomic_long sum;
static _Thread_local long mine = 7, zeroed[4];
static long work(long n) { long s = 0; for (long i = 0; i < n; i++) s += i % 7; return s; }
static void *run(void *p) {
  long k = (long)p;
  for (int i = 0; i < 300; i++) { sum += work(k * 10); zeroed[k % 4] += ++mine; }
  if (k == 3) pthread_exit((void *)77);
  return (void *)zeroed[k % 4];
}
static int run11(void *p) { return (int)(long)p - 5; }
int main(void) {
  pthread_t t[4];
  void *r;
  for (long i = 0; i < 4; i++) if (pthread_create(&t[i], 0, run, (void *)(i + 1))) return 1;
  for (int i = 0; i < 4; i++) { pthread_join(t[i], &r); printf(\"%ld \", (long)r); }
  thrd_t c;
  int code;
  if (thrd_create(&c, run11, (void *)2)) return 2;
  thrd_join(c, &code);
  printf(\"%ld %d %ld %ld\\n\", (long)sum, code, mine, zeroed[1]);
  return 0;
}",
    );
    folder.always(&["a.c"], "47250 47250 77 47250 84300 -3 7 0\n", 0);
}

#[test]
fn a_forked_process_goes_on() {
    let folder = Folder::with(
        "a.c",
        "#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static long work(long n) { long s = 0; for (long i = 0; i < n; i++) s += i % 7; return s; }
static long late(long n) { return n ? late(n - 1) + work(100) : 0; }
int main(void) {
  long warm = 0;
  for (int i = 0; i < 500; i++) warm += work(i);
  pid_t child = fork();
  if (child == 0) exit(late(100) == 29500 ? 4 : 5);
  int status;
  waitpid(child, &status, 0);
  printf(\"%d %ld %d\\n\", WEXITSTATUS(status), late(100), system(\"exit 3\") >> 8);
  return 0;
}",
    );
    folder.always(&["a.c"], "4 29500 3\n", 0);
    // The child leaves the report to its parent.
    let got = folder.run(&["a.c", "--report=-"]);
    assert_eq!(text(&got.stderr).matches("Profile of").count(), 1);
}

#[test]
fn several_files_are_one_program() {
    let folder = Folder::with(
        "main.c",
        "#include \"f.h\"\nint main(void) { return f(SIZE); }",
    )
    .and(
        "f.ll",
        "@table = external global [3 x i32]
define i32 @f(i32 %i) {
  %p = getelementptr [3 x i32], ptr @table, i32 0, i32 %i
  %v = load i32, ptr %p
  ret i32 %v
}",
    )
    .and("table.c", "int table[3] = {10, 20, 30};");
    std::fs::create_dir(folder.path("include")).unwrap();
    std::fs::write(folder.path("include/f.h"), "int f(int);").unwrap();
    folder.always(
        &["main.c", "f.ll", "table.c", "-Iinclude", "-DSIZE=2"],
        "",
        30,
    );
}

#[test]
fn ir_without_a_data_layout_has_the_machines() {
    let folder = Folder::with(
        "a.ll",
        "%pair = type { i32, i64 }
define i32 @main() {
  %s = alloca %pair
  %wide = alloca i128
  %p = getelementptr %pair, ptr %s, i32 0, i32 1
  %from = ptrtoint ptr %s to i64
  %to = ptrtoint ptr %p to i64
  %offset = sub i64 %to, %from
  %w = ptrtoint ptr %wide to i64
  %odd = and i64 %w, 15
  %sum = add i64 %offset, %odd
  %code = trunc i64 %sum to i32
  ret i32 %code
}",
    );
    folder.always(&["a.ll"], "", 8);
}

#[test]
fn bitcode_and_other_libraries() {
    let folder = Folder::with(
        "a.c",
        "unsigned long crc32(unsigned long, const char *, unsigned);
int main(void) { return crc32(0, \"123456789\", 9) == 0xCBF43926 ? 9 : 1; }",
    );
    let made = run(Command::new("clang-22")
        .args(["-O2", "-emit-llvm", "-c", "a.c", "-o", "a.bc"])
        .current_dir(folder.path("")));
    assert!(made.status.success());
    folder.always(&["a.bc", "-lz"], "", 9);
}

#[test]
fn thread_local_variables_of_libraries() {
    let folder = Folder::with(
        "lib.c",
        "_Thread_local int theirs = 4; int *address(void) { return &theirs; }",
    )
    .and(
        "a.c",
        "#include <pthread.h>
extern _Thread_local int theirs;
int *address(void);
static void *run(void *p) { return (void *)(long)(&theirs == address() && theirs == 4 && &theirs != p); }
int main(void) {
  pthread_t t;
  void *right;
  int before = theirs;
  theirs += 5;
  pthread_create(&t, 0, run, &theirs);
  pthread_join(t, &right);
  return right && before == 4 && *address() == 9 ? 17 : 1;
}",
    );
    let made = run(Command::new("clang-22")
        .args(["-shared", "-fPIC", "lib.c", "-o", "lib.so"])
        .current_dir(folder.path("")));
    assert!(made.status.success());
    folder.always(&["a.c", "-l./lib.so"], "", 17);
}

#[test]
fn weak_symbols_may_be_nowhere() {
    let folder = Folder::with(
        "a.c",
        "__attribute__((weak)) void nowhere(void);
__attribute__((weak)) extern int nothing;
int main(void) { if (nowhere) nowhere(); return &nothing ? 1 : 12; }",
    );
    folder.always(&["a.c"], "", 12);
}

#[test]
fn cpp_with_its_library() {
    let folder = Folder::with(
        "a.cpp",
        "#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>
struct Global { Global() { std::cout << \"+\"; } ~Global() { std::cout << \"-\" << std::endl; } } global;
struct Shape { virtual ~Shape() {} virtual int sides() { return 0; } };
struct Square : Shape { int sides() override { return 4; } };
int main() {
  std::map<std::string, int> count;
  for (int i = 0; i < 300; i++) count[std::to_string(i % 10)] += i;
  std::vector<int> all;
  for (auto &entry : count) all.push_back(entry.second);
  std::sort(all.begin(), all.end(), [](int a, int b) { return a > b; });
  Shape *shape = new Square;
  std::cout << all[0] << ' ' << shape->sides();
  delete shape;
}",
    );
    folder.always(&["a.cpp"], "+4620 4-\n", 0);
}
