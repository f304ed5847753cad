//! Links the kernel: linker script, no start files, nothing but our own entry.
//!
//! The kernel builds with the prebuilt `core` of the Linux target, the only one there is. The exact command:
//!
//! ```text
//! RUSTFLAGS="-C relocation-model=static -C code-model=kernel -C force-frame-pointers=yes" \
//!     cargo build -p kernel --release --target x86_64-unknown-linux-gnu
//! ```
//!
//! - `relocation-model=static`: no PIE, no relocations left in the file.
//! - `code-model=kernel`: symbols live in the top 2 GiB.
//! - `force-frame-pointers`: backtraces walk `rbp`.
//!
//! After the link `xtask` runs `ksyms::embed` over the ELF file: it fills the reserved `.ksyms` section with the
//! table of functions and strips the section headers (GRUB refuses a file with RELA sections).

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rerun-if-changed={dir}/link.ld");
    println!("cargo::rerun-if-changed=build.rs");
    // Only the kernel's own target has the linker script; `cargo check` on the host needs none of it.
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
        "-Wl,-z,max-page-size=4096",
        "-Wl,-z,noexecstack",
        "-Wl,--no-eh-frame-hdr",
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{dir}/link.ld");
}
