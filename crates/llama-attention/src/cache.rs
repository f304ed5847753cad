//! The KV cache: keys and values of all positions read, in half precision.
//!
//! It grows in chunks of [`CHUNK_POSITIONS`], so that memory follows the text and not the context
//! that might be used. Within a chunk, for each layer and key/value head:
//!
//! ```text
//!   keys:   (blocks of 16 positions, head_dim, 16 positions)   lanes are positions
//!   values: (positions, head_dim rounded up to 16)              lanes are dimensions
//! ```

use alloc::vec::Vec;

use guest::buffer::{Buffer, OutOfMemory};
use guest::simd::{LANES, Simd, Task, dispatch};
use llama_model::ModelConfig;

/// Positions of a chunk.
pub const CHUNK_POSITIONS: usize = 256;

/// Bytes of a half.
const HALF: usize = 2;

/// What the cache must know of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head_dim: usize,
}

impl Shape {
    /// Numbers of a value as stored: whole vectors.
    pub(crate) fn value_dim(self) -> usize {
        self.head_dim.next_multiple_of(LANES)
    }

    /// Bytes of the keys of one layer and head in a chunk.
    fn key_bytes(self) -> usize {
        CHUNK_POSITIONS * self.head_dim * HALF
    }

    /// Bytes of the values of one layer and head in a chunk.
    fn value_bytes(self) -> usize {
        CHUNK_POSITIONS * self.value_dim() * HALF
    }
}

impl From<&ModelConfig> for Shape {
    fn from(config: &ModelConfig) -> Self {
        Shape {
            layers: config.n_layers,
            heads: config.n_heads,
            kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
        }
    }
}

/// Keys and values by layer, head and position.
#[derive(Debug)]
pub struct KvCache {
    shape: Shape,
    chunks: Vec<Buffer<u8>>,
}

impl KvCache {
    /// An empty one.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        KvCache {
            shape,
            chunks: Vec::new(),
        }
    }

    /// The shape it was made with.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Positions there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK_POSITIONS
    }

    /// Bytes it takes now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|c| c.len()).sum()
    }

    /// Makes room for `positions` positions.
    ///
    /// # Errors
    /// [`OutOfMemory`]; what was there before stays.
    pub fn reserve(&mut self, positions: usize) -> Result<(), OutOfMemory> {
        while self.capacity() < positions {
            let s = self.shape;
            let bytes = (s.key_bytes() + s.value_bytes())
                .checked_mul(s.layers * s.kv_heads)
                .ok_or(OutOfMemory { bytes: usize::MAX })?;
            self.chunks
                .try_reserve(1)
                .map_err(|_| OutOfMemory { bytes })?;
            self.chunks.push(Buffer::zeroed(bytes)?);
        }
        Ok(())
    }

    /// Gives back the memory behind `positions` positions.
    pub fn shrink(&mut self, positions: usize) {
        self.chunks.truncate(positions.div_ceil(CHUNK_POSITIONS));
    }

    /// Where the keys of a layer and head begin in a chunk; the values follow.
    fn start(&self, layer: usize, kv_head: usize) -> usize {
        let s = self.shape;
        (layer * s.kv_heads + kv_head) * (s.key_bytes() + s.value_bytes())
    }

    /// Keys of the 256 positions of chunk `chunk`: blocks of (head_dim, 16 positions).
    pub(crate) fn keys(&self, layer: usize, kv_head: usize, chunk: usize) -> &[[u8; 32]] {
        let bytes = &self.chunks[chunk][self.start(layer, kv_head)..][..self.shape.key_bytes()];
        bytes.as_chunks().0
    }

    /// Values of the 256 positions of chunk `chunk`: vectors of 16 dimensions.
    pub(crate) fn values(&self, layer: usize, kv_head: usize, chunk: usize) -> &[[u8; 32]] {
        let start = self.start(layer, kv_head) + self.shape.key_bytes();
        let bytes = &self.chunks[chunk][start..][..self.shape.value_bytes()];
        bytes.as_chunks().0
    }

    /// Stores keys and values of consecutive positions from `first` on; both are (positions,
    /// kv_heads * head_dim).
    ///
    /// # Panics
    /// If there is no room: see [`reserve`](Self::reserve).
    pub fn write(&mut self, layer: usize, first: usize, keys: &[f32], values: &[f32]) {
        let row_len = self.shape.kv_heads * self.shape.head_dim;
        let rows = keys.chunks_exact(row_len).zip(values.chunks_exact(row_len));
        for (i, (key, value)) in rows.enumerate() {
            let heads = key.chunks_exact(self.shape.head_dim);
            let heads = heads.zip(value.chunks_exact(self.shape.head_dim));
            for (kv_head, (key, value)) in heads.enumerate() {
                dispatch(Write {
                    cache: self,
                    layer,
                    kv_head,
                    position: first + i,
                    key,
                    value,
                });
            }
        }
    }
}

/// Stores one head of one position.
struct Write<'a> {
    cache: &'a mut KvCache,
    layer: usize,
    kv_head: usize,
    position: usize,
    key: &'a [f32],
    value: &'a [f32],
}

impl Task for Write<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let shape = self.cache.shape;
        let start = self.cache.start(self.layer, self.kv_head);
        let (chunk, position) = (
            self.position / CHUNK_POSITIONS,
            self.position % CHUNK_POSITIONS,
        );
        let head = &mut self.cache.chunks[chunk][start..];
        let (keys, values) = head.split_at_mut(shape.key_bytes());
        let (block, lane) = (position / LANES, position % LANES);
        let keys = &mut keys[block * LANES * shape.head_dim * HALF..];
        let values = &mut values[position * shape.value_dim() * HALF..];
        let mut halves = [0; 32];
        for (key, to) in self.key.chunks(LANES).zip(keys.chunks_mut(LANES * 32)) {
            s.store_f16(padded(s, key), &mut halves);
            let lanes = to.as_chunks_mut::<32>().0.iter_mut();
            for (half, to) in halves.as_chunks::<2>().0.iter().zip(lanes).take(key.len()) {
                to[HALF * lane..][..HALF].copy_from_slice(half);
            }
        }
        let vectors = values.as_chunks_mut::<32>().0;
        for (value, to) in self.value.chunks(LANES).zip(vectors) {
            s.store_f16(padded(s, value), to);
        }
    }
}

/// Up to sixteen numbers as a vector, the rest zero.
#[inline(always)]
fn padded<S: Simd>(s: S, x: &[f32]) -> S::F {
    if let Ok(x) = x.try_into() {
        return s.load(x);
    }
    let mut lanes = [0.0; LANES];
    for (to, x) in lanes.iter_mut().zip(x) {
        *to = *x;
    }
    s.load(&lanes)
}
