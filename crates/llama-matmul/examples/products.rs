//! Speed of products: GB/s of one column, rows x columns per second of eight and 64.
//!
//! `cargo run --release -p llama-matmul --example products`. Weights are more than the caches hold;
//! each figure is the median of rounds in which all formats and thread numbers take turns, beside a
//! plain read of the same bytes.

use std::time::Instant;

use guest::parallel;
use llama_matmul::{Activations, Matrix, multiply};
use llama_model::{ReadError, Source, TensorFormat, TensorInfo};

/// A file of some repeated bytes.
struct Noise;

impl Source for Noise {
    fn len(&self) -> u64 {
        u64::MAX
    }

    fn read_at(&self, _: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte = (i as u8).wrapping_mul(31) & 0x3f;
        }
        Ok(())
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let columns = 576;
    let rows = 128 * 1024;
    let matrices = TensorFormat::ALL.map(|format| {
        let columns = if format == TensorFormat::Q6_K {
            512
        } else {
            columns
        };
        let rows = rows * 2 / format.block_bytes().div_ceil(format.block_len()).max(1);
        let info = TensorInfo {
            name: format.name().into(),
            shape: vec![columns, rows],
            format,
            offset: 0,
            bytes: (rows * format.row_bytes(columns).unwrap_or(0)) as u64,
        };
        match Matrix::load(&Noise, &info, 1, &mut Vec::new()) {
            Ok(matrix) => matrix,
            Err(error) => {
                eprintln!("error: {error}");
                std::process::exit(1);
            }
        }
    });
    let bytes = vec![1u64; 8 << 20];
    for threads in [1, 2] {
        let mut read = Vec::new();
        let mut times = matrices
            .each_ref()
            .map(|_| [Vec::new(), Vec::new(), Vec::new()]);
        for _ in 0..9 {
            let start = Instant::now();
            parallel::run(threads, |i| {
                let part = &bytes[parallel::part(bytes.len(), 8, i, threads)];
                let sum = part.as_chunks::<8>().0.iter().fold([0u64; 8], |mut a, x| {
                    (0..8).for_each(|k| a[k] |= x[k]);
                    a
                });
                std::hint::black_box(sum);
            });
            read.push(start.elapsed().as_secs_f64());
            for (matrix, times) in matrices.iter().zip(&mut times) {
                for (n, times) in [1, 8, 64].into_iter().zip(times) {
                    let mut x = Activations::new();
                    x.fill(matrix.columns(), n).fill(0.25);
                    let mut out = vec![0.0; matrix.rows() * n];
                    let start = Instant::now();
                    multiply(threads, [matrix], &mut x, [&mut out]);
                    times.push(start.elapsed().as_secs_f64());
                    std::hint::black_box(&out);
                }
            }
        }
        let plain = (bytes.len() * 8) as f64 / median(&mut read) / 1e9;
        println!("{threads} threads: plain read {plain:.1} GB/s");
        for (matrix, [one, eight, many]) in matrices.iter().zip(&mut times) {
            let speed = matrix.bytes() as f64 / median(one) / 1e9;
            let macs = |n: f64, t: &mut [f64]| {
                n * (matrix.rows() * matrix.columns()) as f64 / median(t) / 1e9
            };
            println!(
                "  {:5} 1 column {speed:5.1} GB/s ({:.2} of plain), 8 columns {:6.1}, 64 columns {:6.1} GMAC/s",
                matrix.format().name(),
                speed / plain,
                macs(8.0, eight),
                macs(64.0, many),
            );
        }
    }
}
