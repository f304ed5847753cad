//! Makes `native.llbc`: the support code of exported programs as one bitcode module.
//!
//! The crate `native` and what it needs of Rust's libraries, as rustc compiles them for any x86-64; `engine::export` links
//! it with a program and optimises both for the CPU at hand.

use anyhow::Result;
use bareflow::guest::rust::{Package, library};
use bareflow::guest::{c_library, wrap};

use crate::build::write_if_changed;
use crate::paths::Paths;

/// What a program may call of it, and where it starts.
const INTERFACE: &[&str] = &[
    "__emutls_get_address",
    "bareflow_native_start",
    "bf_alloc",
    "bf_arg",
    "bf_arg_count",
    "bf_console_key",
    "bf_console_read",
    "bf_console_write",
    "bf_cpu_count",
    "bf_exit",
    "bf_file_close",
    "bf_file_open",
    "bf_file_open_with",
    "bf_file_read",
    "bf_file_remove",
    "bf_file_rename",
    "bf_file_resize",
    "bf_file_size",
    "bf_file_sync",
    "bf_file_write",
    "bf_folder_create",
    "bf_folder_list",
    "bf_free",
    "bf_interrupted",
    "bf_parallel",
    "bf_random_seed",
    "bf_serial_write",
    "bf_sleep_ns",
    "bf_thread_join",
    "bf_thread_start",
    "bf_time_ns",
    "bf_unix_time_ns",
    "jit_get_avg_cycles",
    "jit_get_call_count",
    "jit_get_optimization_level",
    "jit_optimize_hot_functions",
    "jit_profile_begin",
    "jit_profile_end",
    "jit_set_threshold",
    "profile_begin",
    "profile_end",
    "rust_eh_personality",
];

/// What generated code may call beside [`c_library::OFFERED`]: the list of the runtime (`platform/api.rs`, `helpers`).
const HELPERS: &[&str] = &[
    "__udivti3",
    "__umodti3",
    "__divti3",
    "__modti3",
    "__multi3",
    "__ashlti3",
    "__lshrti3",
    "__ashrti3",
    "__floattisf",
    "__floattidf",
    "__floatuntisf",
    "__floatuntidf",
    "__fixsfti",
    "__fixdfti",
    "__fixunssfti",
    "__fixunsdfti",
];

/// Makes the artefact if it is not up to date.
pub fn make(paths: &Paths) -> Result<()> {
    let target = paths.separate_target("native");
    let package = Package {
        folder: &paths.root,
        name: "native",
        features: "freestanding",
        target: &target,
        lines: false,
    };
    let keep = [INTERFACE, &c_library::OFFERED, HELPERS].concat();
    let libraries = ["core", "alloc", "compiler_builtins"];
    let scratch = paths.scratch("native-bitcode")?;
    let bitcode = library(&package, &libraries, &scratch, &keep)?;
    write_if_changed(
        &paths.artifacts().join("native.llbc"),
        &wrap("native", &bitcode)?,
    )
}
