// Generics: const parameters, associated types and constants, iterators over arrays, phantom units, static dispatch.
#![no_std]
#![no_main]
include!("support.rs");
use core::marker::PhantomData;
use core::ops::{Add, AddAssign, Mul};

#[derive(Debug, Clone, Copy, PartialEq)]
struct Matrix<T, const R: usize, const C: usize>([[T; C]; R]);
impl<T: Copy + Default + Add<Output = T> + Mul<Output = T>, const R: usize, const C: usize> Matrix<T, R, C> {
    fn transposed(&self) -> Matrix<T, C, R> {
        let mut m = Matrix([[T::default(); R]; C]);
        for r in 0..R {
            for c in 0..C {
                m.0[c][r] = self.0[r][c];
            }
        }
        m
    }
    fn times<const K: usize>(&self, o: &Matrix<T, C, K>) -> Matrix<T, R, K> {
        let mut m = Matrix([[T::default(); K]; R]);
        for r in 0..R {
            for k in 0..K {
                for c in 0..C {
                    m.0[r][k] = m.0[r][k] + self.0[r][c] * o.0[c][k];
                }
            }
        }
        m
    }
}
trait Unit {
    const NAME: &'static str;
    const SCALE: f64;
}
#[derive(Clone, Copy)]
struct Metre;
#[derive(Clone, Copy)]
struct Foot;
impl Unit for Metre {
    const NAME: &'static str = "m";
    const SCALE: f64 = 1.0;
}
impl Unit for Foot {
    const NAME: &'static str = "ft";
    const SCALE: f64 = 0.3048;
}
#[derive(Clone, Copy)]
struct Length<U>(f64, PhantomData<U>);
impl<U: Unit> Length<U> {
    fn new(v: f64) -> Self {
        Length(v, PhantomData)
    }
    fn to<V: Unit>(self) -> Length<V> {
        Length::new(self.0 * U::SCALE / V::SCALE)
    }
    fn text(&self) -> String {
        format!("{:.3}{}", self.0, U::NAME)
    }
}
impl<U: Unit> AddAssign for Length<U> {
    fn add_assign(&mut self, o: Self) {
        self.0 += o.0;
    }
}
struct Ring<T, const N: usize> {
    v: [Option<T>; N],
    at: usize,
}
impl<T: Copy, const N: usize> Ring<T, N> {
    const EMPTY: Self = Ring { v: [None; N], at: 0 };
    fn push(&mut self, x: T) -> Option<T> {
        let old = self.v[self.at % N].replace(x);
        self.at += 1;
        old
    }
    fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..N).filter_map(|i| self.v[(self.at + i) % N])
    }
}
trait Monoid: Copy {
    const ZERO: Self;
    fn join(self, o: Self) -> Self;
}
impl Monoid for u64 {
    const ZERO: Self = 0;
    fn join(self, o: Self) -> Self {
        self.wrapping_add(o)
    }
}
#[derive(Clone, Copy, Debug)]
struct MaxI(i32);
impl Monoid for MaxI {
    const ZERO: Self = MaxI(i32::MIN);
    fn join(self, o: Self) -> Self {
        MaxI(self.0.max(o.0))
    }
}
impl<A: Monoid, B: Monoid> Monoid for (A, B) {
    const ZERO: Self = (A::ZERO, B::ZERO);
    fn join(self, o: Self) -> Self {
        (self.0.join(o.0), self.1.join(o.1))
    }
}
struct Segments<M> {
    n: usize,
    v: Vec<M>,
}
impl<M: Monoid> Segments<M> {
    fn new(leaves: &[M]) -> Self {
        let n = leaves.len().next_power_of_two();
        let mut v = vec![M::ZERO; 2 * n];
        v[n..n + leaves.len()].copy_from_slice(leaves);
        for i in (1..n).rev() {
            v[i] = v[2 * i].join(v[2 * i + 1]);
        }
        Segments { n, v }
    }
    fn query(&self, mut l: usize, mut r: usize) -> M {
        let (mut left, mut right) = (M::ZERO, M::ZERO);
        (l, r) = (l + self.n, r + self.n);
        while l < r {
            if l % 2 == 1 {
                left = left.join(self.v[l]);
                l += 1;
            }
            if r % 2 == 1 {
                r -= 1;
                right = self.v[r].join(right);
            }
            (l, r) = (l / 2, r / 2);
        }
        left.join(right)
    }
}
const fn primes<const N: usize>() -> [u32; N] {
    let (mut out, mut n, mut c) = ([0; N], 0, 2);
    while n < N {
        let mut i = 0;
        while i < n && c % out[i] != 0 {
            i += 1;
        }
        if i == n {
            out[n] = c;
            n += 1;
        }
        c += 1;
    }
    out
}
static PRIMES: [u32; 30] = primes();
fn run() -> i32 {
    let a = Matrix([[1, 2, 3], [4, 5, 6]]);
    println!("{:?} {:?}", a.times(&a.transposed()), a.transposed().times(&a).times(&a.transposed()));
    let f = Matrix([[0.5_f32, 1.5], [2.5, -1.0]]);
    println!("{:?} {}", f.times(&f).times(&f), f.transposed().transposed() == f);
    let mut l = Length::<Foot>::new(10.0);
    l += Length::<Metre>::new(5.0).to();
    println!("{} {}", l.text(), l.to::<Metre>().text());
    let mut ring = Ring::<i16, 5>::EMPTY;
    let dropped: Vec<i16> = (0..12).filter_map(|i| ring.push(i * i)).collect();
    println!("{dropped:?} {:?}", ring.iter().collect::<Vec<_>>());
    let leaves: Vec<(u64, MaxI)> = (0..100).map(|i| (i * i, MaxI((i as i32 * 37) % 101))).collect();
    let s = Segments::new(&leaves);
    for (l, r) in [(0, 100), (3, 17), (50, 51), (64, 99), (10, 10)] {
        print!("{:?} ", s.query(l, r));
    }
    println!("\n{} {:?}", PRIMES.iter().sum::<u32>(), PRIMES.last());
    0
}
