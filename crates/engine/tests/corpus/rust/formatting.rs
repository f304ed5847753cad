// Formatting: width, fill, precision, sign, radix, debug and pretty, floats of all sizes, own impls.
#![no_std]
#![no_main]
include!("support.rs");

#[derive(Debug, Clone, Default)]
#[allow(dead_code)]
struct Config {
    name: &'static str,
    sizes: Vec<u32>,
    inner: Option<Inner>,
    unit: (),
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
enum Inner {
    Pair(i8, f32),
    Named { flag: bool },
    Unit,
}
struct Hex<'a>(&'a [u8]);
impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for b in self.0 {
            write!(f, "{b:02x}")?;
        }
        Ok(())
    }
}
struct Money(i64);
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = format!("{}.{:02}", self.0.abs() / 100, self.0.abs() % 100);
        f.pad_integral(self.0 >= 0, "", &text)
    }
}
impl fmt::Binary for Money {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Binary::fmt(&self.0, f)
    }
}
fn run() -> i32 {
    println!("[{:5}] [{:<5}] [{:^5}] [{:>5}] [{:*^9}] [{:05}] [{:+}] [{:#x}] [{:#010b}] [{:o}]", 42, 42, 42, 42, "mid", -42, 42, 255, 5, 64);
    println!("[{:.3}] [{:8.2}] [{:<8.1}|] [{:+.0}] [{:e}] [{:E}] [{:08.3}]", 3.14159, 2.5, 9.96, 2.5, 1234.5, 0.00012, -1.5);
    println!("{} {} {} {} {} {}", 1.0, 0.1_f32, 1e21, 1e-7, f64::MAX, f32::MIN_POSITIVE);
    println!("{:?} {:?} {:?} {:?} {:?}", 1.0, 0.1 + 0.2, 1e16, f64::NAN, -f64::INFINITY);
    println!("{:?} {:?} {:?}", -0.0_f64, 5e-324, 16777216_f32);
    println!("{:?} {:5}| {:<5}| {:.1} {:?} {:?}", "q\"\n", "ab", 'c', "cut", 'x', '\'');
    println!("{0} {1} {0} {name} {width:>1$}", 1, 5, name = "n", width = 7);
    println!("{:>w$.p$} {:?} {:p}", 1.23456, (1, "a", [2.5, 3.0]), core::ptr::null::<u8>(), w = 10, p = 2);
    let c = Config { name: "x", sizes: vec![1, 2], inner: Some(Inner::Pair(-1, 0.5)), unit: () };
    println!("{c:?}\n{c:#?}");
    println!("{:?} {:#?} {:?}", Inner::Named { flag: true }, Inner::Unit, Config::default());
    println!("{} [{:10}] [{:<10}] [{:+}] {:b}", Hex(&[0, 255, 16]), Money(-1234), Money(5), Money(100_000), Money(10));
    println!("{} {} {} {}", i8::MIN, u64::MAX, i128::MIN, u128::MAX);
    println!("{:x} {:X} {:#o} {:b}", -1_i8, 0xBEEF_u16, 8_i64, -3_i16);
    println!("{:?} {:?}", Some(Ok::<_, ()>(vec![()])), Box::new([Some(1), None]));
    let mut x = 1.0_f64;
    for i in 0..24 {
        print!("{x} {:.4} {:e}{}", x, x as f32, if i % 4 == 3 { "\n" } else { "; " });
        x *= -17.3;
    }
    let width = 12;
    println!("{:-^width$}|{:#?}|{:02}:{:02}", " t ", (), 5, 7);
    println!("{{}} {:?} {:?}", "tab\té\u{200b}", b"by\x00te");
    0
}
