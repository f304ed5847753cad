// Matching: enums, guards, bindings, ranges, nested and slice patterns, let-else, the question mark, own errors.
#![no_std]
#![no_main]
include!("support.rs");

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Num(i64),
    Var(char),
    Neg(Box<Expr>),
    Bin(Op, Box<Expr>, Box<Expr>),
    Let { name: char, value: Box<Expr>, body: Box<Expr> },
}
#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Add,
    Mul,
    Div,
}
#[derive(Debug, PartialEq)]
enum Fault {
    DivisionByZero,
    Unbound(char),
    Overflow { op: Op, a: i64, b: i64 },
    Parse(usize, &'static str),
}
use Expr::*;
fn eval(e: &Expr, env: &[(char, i64)]) -> Result<i64, Fault> {
    Ok(match e {
        Num(n) => *n,
        Var(c) => env.iter().rev().find(|(n, _)| n == c).map(|(_, v)| *v).ok_or(Fault::Unbound(*c))?,
        Neg(e) => -eval(e, env)?,
        Bin(op, a, b) => {
            let (a, b) = (eval(a, env)?, eval(b, env)?);
            let r = match (op, b) {
                (Op::Div, 0) => return Err(Fault::DivisionByZero),
                (Op::Add, _) => a.checked_add(b),
                (Op::Mul, _) => a.checked_mul(b),
                (Op::Div, _) => a.checked_div(b),
            };
            r.ok_or(Fault::Overflow { op: *op, a, b })?
        }
        Let { name, value, body } => {
            let mut inner = env.to_vec();
            inner.push((*name, eval(value, env)?));
            eval(body, &inner)?
        }
    })
}
fn simplify(e: Expr) -> Expr {
    match e {
        Bin(op, a, b) => match (op, simplify(*a), simplify(*b)) {
            (Op::Add, Num(0), x) | (Op::Add, x, Num(0)) => x,
            (Op::Mul, Num(1), x) | (Op::Mul, x, Num(1)) | (Op::Div, x, Num(1)) => x,
            (Op::Mul, z @ Num(0), _) | (Op::Mul, _, z @ Num(0)) => z,
            (Op::Add, Num(a), Num(b)) => Num(a + b),
            (op, a, b) => Bin(op, Box::new(a), Box::new(b)),
        },
        Neg(inner) => match simplify(*inner) {
            Neg(x) => *x,
            Num(n) => Num(-n),
            x => Neg(Box::new(x)),
        },
        Let { name, value, body } => Let { name, value: Box::new(simplify(*value)), body: Box::new(simplify(*body)) },
        other => other,
    }
}
struct Parser<'a> {
    s: &'a [u8],
    at: usize,
}
impl Parser<'_> {
    fn peek(&self) -> u8 {
        self.s.get(self.at).copied().unwrap_or(0)
    }
    fn expr(&mut self, least: u8) -> Result<Expr, Fault> {
        let mut left = match self.peek() {
            c @ b'0'..=b'9' => {
                self.at += 1;
                let mut n = i64::from(c - b'0');
                while let d @ b'0'..=b'9' = self.peek() {
                    n = n * 10 + i64::from(d - b'0');
                    self.at += 1;
                }
                Num(n)
            }
            c @ b'a'..=b'z' if self.s.get(self.at + 1) == Some(&b'=') => {
                self.at += 2;
                let value = Box::new(self.expr(0)?);
                let b';' = self.peek() else { return Err(Fault::Parse(self.at, "; wanted")) };
                self.at += 1;
                Let { name: c as char, value, body: Box::new(self.expr(0)?) }
            }
            c @ b'a'..=b'z' => {
                self.at += 1;
                Var(c as char)
            }
            b'-' => {
                self.at += 1;
                Neg(Box::new(self.expr(9)?))
            }
            b'(' => {
                self.at += 1;
                let e = self.expr(0)?;
                if self.peek() != b')' {
                    return Err(Fault::Parse(self.at, ") wanted"));
                }
                self.at += 1;
                e
            }
            0 => return Err(Fault::Parse(self.at, "the end")),
            _ => return Err(Fault::Parse(self.at, "what is this")),
        };
        loop {
            let (op, power) = match self.peek() {
                b'+' => (Op::Add, 1),
                b'*' => (Op::Mul, 2),
                b'/' => (Op::Div, 2),
                _ => return Ok(left),
            };
            if power <= least {
                return Ok(left);
            }
            self.at += 1;
            left = Bin(op, Box::new(left), Box::new(self.expr(power)?));
        }
    }
}
fn classify(v: &[i32]) -> &'static str {
    match v {
        [] => "empty",
        [x] if *x < 0 => "one negative",
        [_] => "one",
        [a, .., b] if a == b => "same ends",
        [1, rest @ ..] if rest.len() > 2 => "begins with 1",
        [_, _] | [_, _, _] => "few",
        _ => "many",
    }
}
fn grade(n: u32) -> char {
    match n {
        0 => 'z',
        1..=9 => 'a',
        10 | 20 | 30 => 't',
        x if x % 7 == 0 => 's',
        100.. => 'l',
        _ => 'o',
    }
}
fn run() -> i32 {
    for text in ["1+2*3", "(1+2)*-3", "a=5;a*a+b", "a=2;b=a*3;b/(a+-2)", "x=0+y*1;x*0", "9223372036854775807+1", "--4*1+0", "2*(3", "4+", "?"] {
        let mut p = Parser { s: text.as_bytes(), at: 0 };
        match p.expr(0) {
            Ok(e) => println!("{text}: {:?} | {:?} | {:?}", eval(&e, &[('b', 7)]), simplify(e.clone()), eval(&simplify(e), &[('b', 7), ('y', 1)])),
            Err(Fault::Parse(at, why)) => println!("{text}: {why} at {at}"),
            Err(other) => println!("{text}: {other:?}"),
        }
    }
    println!("{:?}", [&[][..], &[-1], &[5], &[3, 0, 3], &[1, 2, 3, 4], &[1, 2], &[9, 8, 7, 6]].map(classify));
    println!("{}", (0..120).step_by(5).map(grade).collect::<String>());
    let pairs = [(1, Some("x")), (2, None), (3, Some("yy"))];
    let total: usize = pairs.iter().map(|p| match p { (n @ (1 | 2), Some(s)) => n * 10 + s.len(), (n, None) => *n, (_, Some(s)) => s.len() }).sum();
    println!("{total} {}", core::mem::size_of::<Option<Box<Expr>>>());
    i32::from(matches!(simplify(Num(3)), Num(n) if n > 2))
}
