// Trait objects, default methods, supertraits, generics over traits, operators, downcasts by hand.
#![no_std]
#![no_main]
include!("support.rs");
use core::fmt::{Debug, Display};
use core::ops::{Add, Index, IndexMut, Mul, Neg, Sub};

trait Named {
    fn name(&self) -> String;
}
trait Shape: Named {
    fn area(&self) -> f64;
    fn scale(&mut self, k: f64);
    fn describe(&self) -> String {
        format!("{} of {:.3}", self.name(), self.area())
    }
    fn as_disc(&self) -> Option<&Disc> {
        None
    }
}
#[derive(Clone)]
struct Rect(f64, f64);
#[derive(Debug, Clone, PartialEq)]
struct Disc {
    r: f64,
}
impl Named for Rect {
    fn name(&self) -> String {
        if self.0 == self.1 { "square".into() } else { "rect".into() }
    }
}
impl Named for Disc {
    fn name(&self) -> String {
        "disc".to_string()
    }
}
impl Shape for Rect {
    fn area(&self) -> f64 {
        self.0 * self.1
    }
    fn scale(&mut self, k: f64) {
        self.0 *= k;
    }
}
impl Shape for Disc {
    fn area(&self) -> f64 {
        3.0 * self.r * self.r
    }
    fn scale(&mut self, k: f64) {
        self.r *= k;
    }
    fn describe(&self) -> String {
        format!("round {self:?}")
    }
    fn as_disc(&self) -> Option<&Disc> {
        Some(self)
    }
}
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
struct V2<T> {
    x: T,
    y: T,
}
impl<T: Add<Output = T>> Add for V2<T> {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        V2 { x: self.x + o.x, y: self.y + o.y }
    }
}
impl<T: Copy + Mul<Output = T> + Sub<Output = T>> Mul for V2<T> {
    type Output = T;
    fn mul(self, o: Self) -> T {
        self.x * o.y - self.y * o.x
    }
}
impl<T: Neg<Output = T>> Neg for V2<T> {
    type Output = Self;
    fn neg(self) -> Self {
        V2 { x: -self.x, y: -self.y }
    }
}
struct Grid {
    w: usize,
    v: Vec<i32>,
}
impl Index<(usize, usize)> for Grid {
    type Output = i32;
    fn index(&self, (r, c): (usize, usize)) -> &i32 {
        &self.v[r * self.w + c]
    }
}
impl IndexMut<(usize, usize)> for Grid {
    fn index_mut(&mut self, (r, c): (usize, usize)) -> &mut i32 {
        &mut self.v[r * self.w + c]
    }
}
fn largest<T: PartialOrd + Copy>(v: &[T]) -> T {
    v.iter().copied().fold(v[0], |a, b| if b > a { b } else { a })
}
fn show_all(items: &[&dyn Display]) -> String {
    items.iter().map(|i| format!("<{i}>")).collect()
}
fn debug_len(x: impl Debug) -> usize {
    format!("{x:?}").len()
}
trait Visitor {
    fn visit(&mut self, depth: u32, x: i64);
}
struct Sum(i64);
struct Deepest(u32, i64);
impl Visitor for Sum {
    fn visit(&mut self, _: u32, x: i64) {
        self.0 += x;
    }
}
impl Visitor for Deepest {
    fn visit(&mut self, depth: u32, x: i64) {
        if depth > self.0 {
            (self.0, self.1) = (depth, x);
        }
    }
}
fn descend(n: i64, depth: u32, v: &mut dyn Visitor) {
    v.visit(depth, n);
    if n > 1 {
        descend(n / 2, depth + 1, v);
        descend(n / 3, depth + 1, v);
    }
}
fn run() -> i32 {
    let mut shapes: Vec<Box<dyn Shape>> = vec![Box::new(Rect(2.0, 3.0)), Box::new(Disc { r: 1.5 }), Box::new(Rect(4.0, 4.0))];
    for round in 0..3 {
        for s in shapes.iter_mut() {
            s.scale(1.0 + f64::from(round) / 4.0);
        }
        let total: f64 = shapes.iter().map(|s| s.area()).sum();
        let discs = shapes.iter().filter_map(|s| s.as_disc()).count();
        println!("{} | {total} {discs}", shapes.iter().map(|s| s.describe()).collect::<Vec<_>>().join(", "));
    }
    let a = V2 { x: 1.5_f32, y: -2.0 };
    let b = V2 { x: 3_i64, y: 7 };
    println!("{:?} {} {:?} {}", a + -a, a * a, b + b, b * V2 { x: 5, y: 11 });
    println!("{} {} {:?}", largest(&[3, 9, 2]), largest(&[1.5, -2.0]), largest(&["b", "z", "a"]));
    println!("{} {}", show_all(&[&1_u8, &-2.5, &"text", &'c', &true]), debug_len(vec![Some("x"), None]));
    let mut g = Grid { w: 4, v: vec![0; 16] };
    for i in 0..16 {
        g[(i / 4, i % 4)] += (i * i) as i32;
    }
    println!("{} {}", g[(1, 2)], g[(3, 3)] - g[(0, 1)]);
    let (mut s, mut d) = (Sum(0), Deepest(0, 0));
    descend(100, 0, &mut s);
    descend(100, 1, &mut d);
    println!("{} {} {} {:?}", s.0, d.0, d.1, V2::<u16>::default());
    0
}
