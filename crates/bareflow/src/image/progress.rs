//! Writing an image before people's eyes.

use super::{ImageBuilder, ImageError, Summary};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Writes an image with a progress bar on standard error, hidden where that is no terminal.
///
/// # Errors
/// As [`ImageBuilder::write`].
pub fn write(
    image: &ImageBuilder,
    output: &Path,
    cancelled: &AtomicBool,
) -> Result<Summary, ImageError> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let result = image.write(
        output,
        &mut |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(progress.path.to_owned());
        },
        cancelled,
    );
    bar.finish_and_clear();
    result
}
