//! Kernel options and payload arguments, by the first source that has them.
//!
//! 1. QEMU `fw_cfg` files, 2. the boot loader's command line, 3. `/boot/bareflow.cfg`.

use crate::drivers::fw_cfg;
use crate::linux::file::with_volume;
use alloc::string::String;
use alloc::vec::Vec;
use formats::options::{
    CONFIG_PATH, CommandLine, FW_CFG_ARGS, FW_CFG_KERNEL, KernelOptions, LogLevel, OptionsError,
    parse_command_line, parse_config, parse_nul_args, quote_word, split_words,
};

/// Largest options file in bytes.
const LARGEST: usize = 64 << 10;

/// What the sources say before there is a disk.
pub struct Early {
    kernel: Option<KernelOptions>,
    args: Option<Vec<String>>,
}

fn understood(line: Result<CommandLine, OptionsError>, source: &str) -> CommandLine {
    match line {
        Ok(line) => {
            for problem in &line.problems {
                crate::error!("{source}: {problem}");
            }
            line
        }
        Err(error) => {
            crate::error!("{source}: {error}");
            CommandLine::default()
        }
    }
}

/// The loader's command line without what QEMU announces its devices with.
fn own_words(text: &str) -> String {
    let words = split_words(text).unwrap_or_default();
    let own = words
        .iter()
        .filter(|word| !word.starts_with("virtio_mmio.device="));
    own.map(|word| quote_word(word))
        .collect::<Vec<_>>()
        .join(" ")
}

impl Early {
    /// Asks fw_cfg and the command line.
    pub fn read(command_line: &str) -> Self {
        let own = own_words(command_line);
        let line = understood(parse_command_line(&own), "command line");
        let has_options = !own.is_empty() && !own.starts_with("-- ") && own != "--";
        let kernel = fw_cfg::read_file(FW_CFG_KERNEL).map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            understood(
                parse_command_line(text.trim_end_matches('\0')),
                FW_CFG_KERNEL,
            )
            .kernel
        });
        let args = fw_cfg::read_file(FW_CFG_ARGS).and_then(|bytes| match parse_nul_args(&bytes) {
            Ok(args) => Some(args),
            Err(error) => {
                crate::error!("{FW_CFG_ARGS}: {error}");
                None
            }
        });
        Self {
            kernel: kernel.or(has_options.then_some(line.kernel)),
            args: args.or(line.args),
        }
    }

    /// How much to say until the disk was asked.
    pub fn log(&self) -> LogLevel {
        self.kernel
            .as_ref()
            .map_or(LogLevel::default(), |options| options.log)
    }

    /// Most CPUs to start, by what is known now.
    pub fn cpus(&self) -> usize {
        self.kernel
            .as_ref()
            .and_then(|options| options.cpus)
            .map_or(usize::MAX, |cpus| cpus as usize)
    }

    /// Asks the volume for what is still missing.
    pub fn finish(self) -> (KernelOptions, Vec<String>) {
        if let (Some(kernel), Some(args)) = (&self.kernel, &self.args) {
            return (kernel.clone(), args.clone());
        }
        let config = with_volume(|volume| {
            let file = volume.open(CONFIG_PATH)?;
            let mut bytes = alloc::vec![0; LARGEST.min(volume.file_bytes(&file)? as usize)];
            let count = volume.read_at(&file, 0, &mut bytes)?;
            bytes.truncate(count);
            Ok(bytes)
        });
        let line = match config {
            Ok(bytes) => understood(parse_config(&bytes), CONFIG_PATH),
            Err(_) => CommandLine::default(),
        };
        (
            self.kernel.unwrap_or(line.kernel),
            self.args.or(line.args).unwrap_or_default(),
        )
    }
}
