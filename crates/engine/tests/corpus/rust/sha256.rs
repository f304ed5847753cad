// SHA-256, CRC-32 and FNV behind one Hasher trait, over slices, strings and pieces of pieces.
#![no_std]
#![no_main]
include!("support.rs");
use core::hash::{BuildHasher, Hash, Hasher};

trait Digest: Default {
    fn update(&mut self, bytes: &[u8]);
    fn finish(self) -> Vec<u8>;
    fn of(bytes: &[u8]) -> String {
        let mut d = Self::default();
        bytes.chunks(7).for_each(|c| d.update(c));
        d.finish().iter().map(|b| format!("{b:02x}")).collect()
    }
}
struct Sha256 {
    h: [u32; 8],
    block: [u8; 64],
    length: usize,
}
fn roots(n: usize, power: f64) -> Vec<u32> {
    let primes = (2_u32..).filter(|p| (2..*p).take_while(|d| d * d <= *p).all(|d| p % d != 0));
    primes.take(n).map(|p| fraction(f64::from(p), power)).collect()
}
fn fraction(p: f64, power: f64) -> u32 {
    let mut x = p;
    for _ in 0..100 {
        x = if power == 2.0 { (x + p / x) / 2.0 } else { (2.0 * x + p / (x * x)) / 3.0 };
    }
    ((x - (x as u64 as f64)) * 4_294_967_296.0) as u32
}
impl Default for Sha256 {
    fn default() -> Self {
        Sha256 { h: roots(8, 2.0).try_into().unwrap(), block: [0; 64], length: 0 }
    }
}
impl Sha256 {
    fn compress(&mut self) {
        let k = roots(64, 3.0);
        let mut w = [0_u32; 64];
        for (w, c) in w.iter_mut().zip(self.block.chunks(4)) {
            *w = u32::from_be_bytes(c.try_into().unwrap());
        }
        for i in 16..64 {
            let (a, b) = (w[i - 15], w[i - 2]);
            let s0 = a.rotate_right(7) ^ a.rotate_right(18) ^ a >> 3;
            let s1 = b.rotate_right(17) ^ b.rotate_right(19) ^ b >> 10;
            w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
        }
        let mut v = self.h;
        for i in 0..64 {
            let [a, b, c, _, e, f, g, h] = v;
            let t1 = h
                .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25))
                .wrapping_add(e & f ^ !e & g)
                .wrapping_add(k[i])
                .wrapping_add(w[i]);
            let t2 = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(a & b ^ a & c ^ b & c);
            v.rotate_right(1);
            v[4] = v[4].wrapping_add(t1);
            v[0] = t1.wrapping_add(t2);
        }
        self.h.iter_mut().zip(v).for_each(|(h, v)| *h = h.wrapping_add(v));
    }
}
impl Digest for Sha256 {
    fn update(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.block[self.length % 64] = *b;
            self.length += 1;
            if self.length % 64 == 0 {
                self.compress();
            }
        }
    }
    fn finish(mut self) -> Vec<u8> {
        let bits = (self.length as u64 * 8).to_be_bytes();
        self.update(&[0x80]);
        while self.length % 64 != 56 {
            self.update(&[0]);
        }
        self.update(&bits);
        self.h.iter().flat_map(|h| h.to_be_bytes()).collect()
    }
}
#[derive(Default)]
struct Crc(u32);
impl Digest for Crc {
    fn update(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (0..8).fold(!self.0 ^ u32::from(*b), |c, _| c >> 1 ^ 0xEDB8_8320 & (c & 1).wrapping_neg());
            self.0 = !self.0;
        }
    }
    fn finish(self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
}
#[derive(Clone)]
struct Fnv(u64);
impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3);
        }
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
impl BuildHasher for Fnv {
    type Hasher = Fnv;
    fn build_hasher(&self) -> Fnv {
        self.clone()
    }
}
#[derive(Hash)]
struct Record<'a> {
    id: u32,
    name: &'a str,
    tags: Vec<Option<char>>,
}
fn run() -> i32 {
    let long: Vec<u8> = (0..119_u8).collect();
    for text in [&b""[..], b"abc", &long] {
        println!("{} {}", Sha256::of(text), Crc::of(text));
    }
    let build = Fnv(0xcbf2_9ce4_8422_2325);
    let r = Record { id: 7, name: "seven", tags: vec![Some('x'), None] };
    println!("{:016x} {:016x} {:016x}", build.hash_one(&r), build.hash_one((1_u8, -2_i64, true)), build.hash_one("text"));
    let mut h = build.build_hasher();
    [[1_u16, 2], [3, 4]].hash(&mut h);
    println!("{:016x}", h.finish());
    0
}
