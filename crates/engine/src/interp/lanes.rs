//! Operations on numbers as the interpreter keeps them in slots.
//!
//! They serve three users: rare scalar operations, the lanes of vectors, and the tests, which compare the fast path of
//! the loop with them. Integers come in extended with zeros and leave so; floats are their bits.

use super::shape::{Lane, mask};
use llvm::ir::{FloatPredicate, IntPredicate, Opcode};

/// One operand.
pub(crate) type F1 = fn(u64) -> u64;
/// Two operands.
pub(crate) type F2 = fn(u64, u64) -> u64;
/// Three operands.
pub(crate) type F3 = fn(u64, u64, u64) -> u64;

/// The number of `W` bits in `x`, with its sign.
fn signed<const W: u32>(x: u64) -> i64 {
    ((x << (64 - W)) as i64) >> (64 - W)
}

fn cut<const W: u32>(x: u64) -> u64 {
    x & mask(W)
}

/// Ends the program as the processor would on a division by zero.
#[cold]
fn divide_error() -> ! {
    super::memory::divide_error()
}

fn f32_of(x: u64) -> f32 {
    f32::from_bits(x as u32)
}

fn f64_of(x: u64) -> f64 {
    f64::from_bits(x)
}

fn of_f32(x: f32) -> u64 {
    u64::from(x.to_bits())
}

fn of_f64(x: f64) -> u64 {
    x.to_bits()
}

/// Picks the instance of a generic function for a width.
macro_rules! by_width {
    ($width:expr, $f:ident) => {
        Some(match $width {
            1 => $f::<1>,
            8 => $f::<8>,
            16 => $f::<16>,
            32 => $f::<32>,
            64 => $f::<64>,
            _ => return None,
        })
    };
}

macro_rules! int2 {
    ($($name:ident: |$a:ident, $b:ident, $w:ident| $e:expr;)*) => {
        $(fn $name<const $w: u32>($a: u64, $b: u64) -> u64 { cut::<$w>($e) })*
    };
}

int2! {
    add: |a, b, W| a.wrapping_add(b);
    sub: |a, b, W| a.wrapping_sub(b);
    mul: |a, b, W| a.wrapping_mul(b);
    and: |a, b, W| a & b;
    or: |a, b, W| a | b;
    xor: |a, b, W| a ^ b;
    shl: |a, b, W| if b < u64::from(W) { a << b } else { 0 };
    lshr: |a, b, W| if b < u64::from(W) { a >> b } else { 0 };
    ashr: |a, b, W| (signed::<W>(a) >> b.min(63)) as u64;
    udiv: |a, b, W| a.checked_div(b).unwrap_or_else(|| divide_error());
    urem: |a, b, W| a.checked_rem(b).unwrap_or_else(|| divide_error());
    sdiv: |a, b, W| match signed::<W>(b) {
        0 => divide_error(),
        d => signed::<W>(a).wrapping_div(d) as u64,
    };
    srem: |a, b, W| match signed::<W>(b) {
        0 => divide_error(),
        d => signed::<W>(a).wrapping_rem(d) as u64,
    };
    smax: |a, b, W| signed::<W>(a).max(signed::<W>(b)) as u64;
    smin: |a, b, W| signed::<W>(a).min(signed::<W>(b)) as u64;
    umax: |a, b, W| a.max(b);
    umin: |a, b, W| a.min(b);
    uadd_sat: |a, b, W| (u128::from(a) + u128::from(b)).min(u128::from(mask(W))) as u64;
    usub_sat: |a, b, W| a.saturating_sub(b);
    sadd_sat: |a, b, W| clamp::<W>(i128::from(signed::<W>(a)) + i128::from(signed::<W>(b)));
    ssub_sat: |a, b, W| clamp::<W>(i128::from(signed::<W>(a)) - i128::from(signed::<W>(b)));
    ushl_sat: |a, b, W| {
        let wide = u128::from(a) << b.min(64);
        wide.min(u128::from(mask(W))) as u64
    };
    sshl_sat: |a, b, W| clamp::<W>(i128::from(signed::<W>(a)) << b.min(63));
    ucmp: |a, b, W| (a.cmp(&b) as i64) as u64;
}

/// The nearest number of `W` bits.
fn clamp<const W: u32>(x: i128) -> u64 {
    let max = (1_i128 << (W - 1)) - 1;
    x.clamp(-max - 1, max) as u64
}

/// Integer operation of two operands of `width` bits.
pub(crate) fn int_op(op: Opcode, width: u32) -> Option<F2> {
    match op {
        Opcode::Add => by_width!(width, add),
        Opcode::Sub => by_width!(width, sub),
        Opcode::Mul => by_width!(width, mul),
        Opcode::And => by_width!(width, and),
        Opcode::Or => by_width!(width, or),
        Opcode::Xor => by_width!(width, xor),
        Opcode::Shl => by_width!(width, shl),
        Opcode::LShr => by_width!(width, lshr),
        Opcode::AShr => by_width!(width, ashr),
        Opcode::UDiv => by_width!(width, udiv),
        Opcode::URem => by_width!(width, urem),
        Opcode::SDiv => by_width!(width, sdiv),
        Opcode::SRem => by_width!(width, srem),
        _ => None,
    }
}

macro_rules! float2 {
    ($($name32:ident, $name64:ident: |$a:ident, $b:ident| $e:expr;)*) => {
        $(
            fn $name32(x: u64, y: u64) -> u64 {
                let ($a, $b) = (f32_of(x), f32_of(y));
                of_f32($e)
            }
            fn $name64(x: u64, y: u64) -> u64 {
                let ($a, $b) = (f64_of(x), f64_of(y));
                of_f64($e)
            }
        )*
    };
}

float2! {
    fadd32, fadd64: |a, b| a + b;
    fsub32, fsub64: |a, b| a - b;
    fmul32, fmul64: |a, b| a * b;
    fdiv32, fdiv64: |a, b| a / b;
    frem32, frem64: |a, b| a % b;
    copysign32, copysign64: |a, b| a.copysign(b);
    minnum32, minnum64: |a, b| a.min(b);
    maxnum32, maxnum64: |a, b| a.max(b);
    // A NaN wins, and of two zeros the negative one is the smaller.
    minimum32, minimum64: |a, b| {
        if a.is_nan() { a } else if b.is_nan() { b }
        else if a == b { if a.is_sign_negative() { a } else { b } }
        else { a.min(b) }
    };
    maximum32, maximum64: |a, b| {
        if a.is_nan() { a } else if b.is_nan() { b }
        else if a == b { if a.is_sign_negative() { b } else { a } }
        else { a.max(b) }
    };
    pow32, pow64: |a, b| a.powf(b);
}

/// Float operation of two operands.
pub(crate) fn float_op(op: Opcode, lane: Lane) -> Option<F2> {
    let (of32, of64): (F2, F2) = match op {
        Opcode::FAdd => (fadd32, fadd64),
        Opcode::FSub => (fsub32, fsub64),
        Opcode::FMul => (fmul32, fmul64),
        Opcode::FDiv => (fdiv32, fdiv64),
        Opcode::FRem => (frem32, frem64),
        _ => return None,
    };
    pick(lane, of32, of64)
}

fn pick<T>(lane: Lane, of32: T, of64: T) -> Option<T> {
    match lane {
        Lane::F32 => Some(of32),
        Lane::F64 => Some(of64),
        Lane::Int(_) => None,
    }
}

macro_rules! compare {
    ($($name:ident: |$a:ident, $b:ident, $w:ident| $e:expr;)*) => {
        $(fn $name<const $w: u32>($a: u64, $b: u64) -> u64 { u64::from($e) })*
    };
}

compare! {
    eq: |a, b, W| a == b;
    ne: |a, b, W| a != b;
    ult: |a, b, W| a < b;
    ule: |a, b, W| a <= b;
    ugt: |a, b, W| a > b;
    uge: |a, b, W| a >= b;
    slt: |a, b, W| signed::<W>(a) < signed::<W>(b);
    sle: |a, b, W| signed::<W>(a) <= signed::<W>(b);
    sgt: |a, b, W| signed::<W>(a) > signed::<W>(b);
    sge: |a, b, W| signed::<W>(a) >= signed::<W>(b);
}

/// Integer comparison at `width` bits; gives 0 or 1.
pub(crate) fn int_compare(p: IntPredicate, width: u32) -> Option<F2> {
    match p {
        IntPredicate::Eq => by_width!(width, eq),
        IntPredicate::Ne => by_width!(width, ne),
        IntPredicate::Ult => by_width!(width, ult),
        IntPredicate::Ule => by_width!(width, ule),
        IntPredicate::Ugt => by_width!(width, ugt),
        IntPredicate::Uge => by_width!(width, uge),
        IntPredicate::Slt => by_width!(width, slt),
        IntPredicate::Sle => by_width!(width, sle),
        IntPredicate::Sgt => by_width!(width, sgt),
        IntPredicate::Sge => by_width!(width, sge),
    }
}

/// Outcome of a float comparison.
pub(crate) fn float_holds(p: FloatPredicate, a: f64, b: f64) -> bool {
    use FloatPredicate as P;
    let unordered = a.is_nan() || b.is_nan();
    match p {
        P::False => false,
        P::Oeq => a == b,
        P::Ogt => a > b,
        P::Oge => a >= b,
        P::Olt => a < b,
        P::Ole => a <= b,
        P::One => !unordered && a != b,
        P::Ord => !unordered,
        P::Uno => unordered,
        P::Ueq => unordered || a == b,
        P::Ugt => unordered || a > b,
        P::Uge => unordered || a >= b,
        P::Ult => unordered || a < b,
        P::Ule => unordered || a <= b,
        P::Une => a != b,
        P::True => true,
    }
}

/// Predicates by number, as an immediate holds them.
pub(crate) const FLOAT_PREDICATES: [FloatPredicate; 16] = {
    use FloatPredicate as P;
    [
        P::False,
        P::Oeq,
        P::Ogt,
        P::Oge,
        P::Olt,
        P::Ole,
        P::One,
        P::Ord,
        P::Uno,
        P::Ueq,
        P::Ugt,
        P::Uge,
        P::Ult,
        P::Ule,
        P::Une,
        P::True,
    ]
};

fn fcmp<const P: usize, const WIDE: bool>(x: u64, y: u64) -> u64 {
    // Every float is exactly a double, and compares the same there.
    let (a, b) = if WIDE {
        (f64_of(x), f64_of(y))
    } else {
        (f32_of(x).into(), f32_of(y).into())
    };
    u64::from(float_holds(FLOAT_PREDICATES[P & 15], a, b))
}

/// Float comparison; gives 0 or 1.
pub(crate) fn float_compare(p: FloatPredicate, lane: Lane) -> Option<F2> {
    macro_rules! table {
        ($wide:literal) => {
            [
                fcmp::<0, $wide> as F2,
                fcmp::<1, $wide>,
                fcmp::<2, $wide>,
                fcmp::<3, $wide>,
                fcmp::<4, $wide>,
                fcmp::<5, $wide>,
                fcmp::<6, $wide>,
                fcmp::<7, $wide>,
                fcmp::<8, $wide>,
                fcmp::<9, $wide>,
                fcmp::<10, $wide>,
                fcmp::<11, $wide>,
                fcmp::<12, $wide>,
                fcmp::<13, $wide>,
                fcmp::<14, $wide>,
                fcmp::<15, $wide>,
            ]
        };
    }
    let index = FLOAT_PREDICATES.iter().position(|q| *q == p)?;
    pick(lane, table!(false)[index], table!(true)[index])
}

macro_rules! int1 {
    ($($name:ident: |$a:ident, $w:ident| $e:expr;)*) => {
        $(fn $name<const $w: u32>($a: u64) -> u64 { cut::<$w>($e) })*
    };
}

int1! {
    same: |a, W| a;
    ctpop: |a, W| u64::from(a.count_ones());
    ctlz: |a, W| u64::from(a.leading_zeros() - (64 - W));
    cttz: |a, W| u64::from(a.trailing_zeros().min(W));
    bswap: |a, W| a.swap_bytes() >> (64 - W);
    bitreverse: |a, W| a.reverse_bits() >> (64 - W);
    abs: |a, W| signed::<W>(a).wrapping_abs() as u64;
}

fn sext_from<const W: u32>(a: u64) -> u64 {
    signed::<W>(a) as u64
}

macro_rules! float1 {
    ($($name32:ident, $name64:ident: |$a:ident| $e:expr;)*) => {
        $(
            fn $name32(x: u64) -> u64 {
                let $a = f32_of(x);
                of_f32($e)
            }
            fn $name64(x: u64) -> u64 {
                let $a = f64_of(x);
                of_f64($e)
            }
        )*
    };
}

float1! {
    fneg32, fneg64: |a| -a;
    fabs32, fabs64: |a| a.abs();
    sqrt32, sqrt64: |a| a.sqrt();
    floor32, floor64: |a| a.floor();
    ceil32, ceil64: |a| a.ceil();
    trunc32, trunc64: |a| a.trunc();
    round32, round64: |a| a.round();
    rint32, rint64: |a| a.round_ties_even();
    sin32, sin64: |a| a.sin();
    cos32, cos64: |a| a.cos();
    tan32, tan64: |a| a.tan();
    exp32, exp64: |a| a.exp();
    exp2_32, exp2_64: |a| a.exp2();
    log32, log64: |a| a.ln();
    log2_32, log2_64: |a| a.log2();
    log10_32, log10_64: |a| a.log10();
}

fn fshl<const W: u32>(a: u64, b: u64, n: u64) -> u64 {
    let n = n % u64::from(W);
    cut::<W>(if n == 0 {
        a
    } else {
        (a << n) | (b >> (u64::from(W) - n))
    })
}

fn fshr<const W: u32>(a: u64, b: u64, n: u64) -> u64 {
    let n = n % u64::from(W);
    cut::<W>(if n == 0 {
        b
    } else {
        (a << (u64::from(W) - n)) | (b >> n)
    })
}

fn fma32(a: u64, b: u64, c: u64) -> u64 {
    of_f32(f32_of(a).mul_add(f32_of(b), f32_of(c)))
}

fn fma64(a: u64, b: u64, c: u64) -> u64 {
    of_f64(f64_of(a).mul_add(f64_of(b), f64_of(c)))
}

fn fmuladd32(a: u64, b: u64, c: u64) -> u64 {
    of_f32(f32_of(a) * f32_of(b) + f32_of(c))
}

fn fmuladd64(a: u64, b: u64, c: u64) -> u64 {
    of_f64(f64_of(a) * f64_of(b) + f64_of(c))
}

/// Intrinsic of one operand by its name without prefix and types. `lane` is the operand's.
pub(crate) fn intrinsic1(name: &str, lane: Lane) -> Option<F1> {
    let w = lane.bits();
    if let Lane::Int(_) = lane {
        return match name {
            "ctpop" => by_width!(w, ctpop),
            "ctlz" => by_width!(w, ctlz),
            "cttz" => by_width!(w, cttz),
            "bswap" if w > 8 => by_width!(w, bswap),
            "bitreverse" => by_width!(w, bitreverse),
            "abs" => by_width!(w, abs),
            _ => None,
        };
    }
    let (of32, of64): (F1, F1) = match name {
        "fabs" => (fabs32, fabs64),
        "sqrt" => (sqrt32, sqrt64),
        "floor" => (floor32, floor64),
        "ceil" => (ceil32, ceil64),
        "trunc" => (trunc32, trunc64),
        "round" => (round32, round64),
        "rint" | "nearbyint" | "roundeven" => (rint32, rint64),
        "canonicalize" => (same::<32>, same::<64>),
        "sin" => (sin32, sin64),
        "cos" => (cos32, cos64),
        "tan" => (tan32, tan64),
        "exp" => (exp32, exp64),
        "exp2" => (exp2_32, exp2_64),
        "log" => (log32, log64),
        "log2" => (log2_32, log2_64),
        "log10" => (log10_32, log10_64),
        _ => return None,
    };
    pick(lane, of32, of64)
}

/// Intrinsic of two operands of one type.
pub(crate) fn intrinsic2(name: &str, lane: Lane) -> Option<F2> {
    let w = lane.bits();
    if let Lane::Int(_) = lane {
        return match name {
            "smax" => by_width!(w, smax),
            "smin" => by_width!(w, smin),
            "umax" => by_width!(w, umax),
            "umin" => by_width!(w, umin),
            "uadd.sat" => by_width!(w, uadd_sat),
            "usub.sat" => by_width!(w, usub_sat),
            "sadd.sat" => by_width!(w, sadd_sat),
            "ssub.sat" => by_width!(w, ssub_sat),
            "ushl.sat" => by_width!(w, ushl_sat),
            "sshl.sat" => by_width!(w, sshl_sat),
            _ => None,
        };
    }
    let (of32, of64): (F2, F2) = match name {
        "copysign" => (copysign32, copysign64),
        "minnum" | "minimumnum" => (minnum32, minnum64),
        "maxnum" | "maximumnum" => (maxnum32, maxnum64),
        "minimum" => (minimum32, minimum64),
        "maximum" => (maximum32, maximum64),
        "pow" => (pow32, pow64),
        _ => return None,
    };
    pick(lane, of32, of64)
}

/// Three-way comparison: -1, 0 or 1 at 64 bits.
pub(crate) fn three_way(name: &str, width: u32) -> Option<F2> {
    match name {
        "scmp" => {
            // The operands' width decides the sign, the result's is cut by the caller.
            fn wide<const W: u32>(a: u64, b: u64) -> u64 {
                (signed::<W>(a).cmp(&signed::<W>(b)) as i64) as u64
            }
            by_width!(width, wide)
        }
        "ucmp" => Some(ucmp::<64>),
        _ => None,
    }
}

/// Intrinsic of three operands of one type.
pub(crate) fn intrinsic3(name: &str, lane: Lane) -> Option<F3> {
    if let Lane::Int(w) = lane {
        return match name {
            "fshl" => by_width!(w, fshl),
            "fshr" => by_width!(w, fshr),
            _ => None,
        };
    }
    match name {
        "fma" => pick(lane, fma32 as F3, fma64),
        "fmuladd" => pick(lane, fmuladd32 as F3, fmuladd64),
        _ => None,
    }
}

/// Float negation.
pub(crate) fn fneg(lane: Lane) -> Option<F1> {
    pick(lane, fneg32 as F1, fneg64)
}

fn f_ext(a: u64) -> u64 {
    of_f64(f32_of(a).into())
}

fn f_trunc(a: u64) -> u64 {
    of_f32(f64_of(a) as f32)
}

/// What `cvttsd2si` gives: the smallest number where the value does not fit.
pub(crate) fn to_i64(x: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
        x as i64
    } else {
        i64::MIN
    }
}

/// The same for 32 bits.
pub(crate) fn to_i32(x: f64) -> i32 {
    if x > -2_147_483_649.0 && x < 2_147_483_648.0 {
        x as i32
    } else {
        i32::MIN
    }
}

/// As baseline x86-64 code does: in two halves.
fn to_u64(x: f64) -> u64 {
    let low = to_i64(x);
    let high = to_i64(x - 9_223_372_036_854_775_808.0);
    (low | (high & (low >> 63))) as u64
}

/// Conversion of one lane; `None` if there is no such conversion here.
pub(crate) fn convert(op: Opcode, from: Lane, to: Lane) -> Option<F1> {
    fn si32<const W: u32>(a: u64) -> u64 {
        of_f32(signed::<W>(a) as f32)
    }
    fn si64<const W: u32>(a: u64) -> u64 {
        of_f64(signed::<W>(a) as f64)
    }
    fn ui32<const W: u32>(a: u64) -> u64 {
        of_f32(a as f32)
    }
    fn ui64<const W: u32>(a: u64) -> u64 {
        of_f64(a as f64)
    }
    fn s32<const W: u32>(a: u64) -> u64 {
        f_to_s(f32_of(a).into(), W)
    }
    fn s64<const W: u32>(a: u64) -> u64 {
        f_to_s(f64_of(a), W)
    }
    fn u32_<const W: u32>(a: u64) -> u64 {
        f_to_u(f32_of(a).into(), W)
    }
    fn u64_<const W: u32>(a: u64) -> u64 {
        f_to_u(f64_of(a), W)
    }
    match (op, from, to) {
        (Opcode::Trunc, Lane::Int(_), Lane::Int(w)) => by_width!(w, same),
        (Opcode::ZExt, Lane::Int(w), Lane::Int(_)) => by_width!(w, same),
        // The caller cuts to the target's width.
        (Opcode::SExt, Lane::Int(w), Lane::Int(_)) => by_width!(w, sext_from),
        (Opcode::FpExt, Lane::F32, Lane::F64) => Some(f_ext),
        (Opcode::FpTrunc, Lane::F64, Lane::F32) => Some(f_trunc),
        (Opcode::SiToFp, Lane::Int(w), Lane::F32) => by_width!(w, si32),
        (Opcode::SiToFp, Lane::Int(w), Lane::F64) => by_width!(w, si64),
        (Opcode::UiToFp, Lane::Int(w), Lane::F32) => by_width!(w, ui32),
        (Opcode::UiToFp, Lane::Int(w), Lane::F64) => by_width!(w, ui64),
        (Opcode::FpToSi, Lane::F32, Lane::Int(w)) => by_width!(w, s32),
        (Opcode::FpToSi, Lane::F64, Lane::Int(w)) => by_width!(w, s64),
        (Opcode::FpToUi, Lane::F32, Lane::Int(w)) => by_width!(w, u32_),
        (Opcode::FpToUi, Lane::F64, Lane::Int(w)) => by_width!(w, u64_),
        (Opcode::PtrToInt | Opcode::PtrToAddr | Opcode::IntToPtr, Lane::Int(w), Lane::Int(64)) => {
            by_width!(w, same)
        }
        _ => None,
    }
}

/// Float to signed integer of `width` bits.
pub(crate) fn f_to_s(x: f64, width: u32) -> u64 {
    let v = if width <= 32 {
        i64::from(to_i32(x))
    } else {
        to_i64(x)
    };
    v as u64 & mask(width)
}

/// Float to unsigned integer of `width` bits.
pub(crate) fn f_to_u(x: f64, width: u32) -> u64 {
    let v = match width {
        0..32 => to_i32(x) as u64,
        32..64 => to_i64(x) as u64,
        _ => to_u64(x),
    };
    v & mask(width)
}

/// Saturating conversion (`llvm.fptosi.sat`, `llvm.fptoui.sat`): a NaN becomes 0.
pub(crate) fn f_to_int_sat(unsigned: bool, from: Lane, to: u32) -> Option<F1> {
    fn s32<const W: u32>(a: u64) -> u64 {
        cut::<W>(clamp::<W>(i128::from(f32_of(a) as i64)))
    }
    fn s64<const W: u32>(a: u64) -> u64 {
        cut::<W>(clamp::<W>(i128::from(f64_of(a) as i64)))
    }
    fn u32_<const W: u32>(a: u64) -> u64 {
        (f32_of(a) as u64).min(mask(W))
    }
    fn u64_<const W: u32>(a: u64) -> u64 {
        (f64_of(a) as u64).min(mask(W))
    }
    match (from, unsigned) {
        (Lane::F32, false) => by_width!(to, s32),
        (Lane::F64, false) => by_width!(to, s64),
        (Lane::F32, true) => by_width!(to, u32_),
        (Lane::F64, true) => by_width!(to, u64_),
        (Lane::Int(_), _) => None,
    }
}

/// `llvm.is.fpclass`: which of the ten classes of `mask` a number is in.
pub(crate) fn is_class(bits: u64, wide: bool, mask: u64) -> bool {
    use std::num::FpCategory as C;
    let (category, negative, quiet) = if wide {
        let x = f64_of(bits);
        (x.classify(), x.is_sign_negative(), bits & (1 << 51) != 0)
    } else {
        let x = f32_of(bits);
        (x.classify(), x.is_sign_negative(), bits & (1 << 22) != 0)
    };
    let class = match (category, negative) {
        (C::Nan, _) => u64::from(quiet),
        (C::Infinite, true) => 2,
        (C::Normal, true) => 3,
        (C::Subnormal, true) => 4,
        (C::Zero, true) => 5,
        (C::Zero, false) => 6,
        (C::Subnormal, false) => 7,
        (C::Normal, false) => 8,
        (C::Infinite, false) => 9,
    };
    mask >> class & 1 != 0
}
