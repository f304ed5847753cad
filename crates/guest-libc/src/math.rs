//! Mathematics that LLVM-libc 19 does not have or has wrongly: the crate `libm` under C's names.
//!
//! Most functions of double are missing there. Its `fma` without the instruction rounds subnormal results wrongly, its
//! `powf` of minus infinity is not a number, and its `exp10` is off by hundreds of units without that instruction.

macro_rules! functions {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: $kind),*) -> $result {
                libm::$name($($argument),*)
            }
        )*
    };
}

functions! {
    acos(x: f64) -> f64;
    asin(x: f64) -> f64;
    asinh(x: f64) -> f64;
    atan(x: f64) -> f64;
    atan2(y: f64, x: f64) -> f64;
    atanh(x: f64) -> f64;
    cosh(x: f64) -> f64;
    erf(x: f64) -> f64;
    erfc(x: f64) -> f64;
    exp10(x: f64) -> f64;
    fma(x: f64, y: f64, z: f64) -> f64;
    fmaf(x: f32, y: f32, z: f32) -> f32;
    lgamma(x: f64) -> f64;
    pow(x: f64, y: f64) -> f64;
    sinh(x: f64) -> f64;
    tanh(x: f64) -> f64;
    tgamma(x: f64) -> f64;
}

// Functions of float by way of double: right to the last place but for the rarest ties.
macro_rules! narrowed {
    ($($name:ident = $wide:ident($($argument:ident),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: f32),*) -> f32 {
                libm::$wide($($argument.into()),*) as f32
            }
        )*
    };
}

narrowed! {
    erfcf = erfc(x);
    lgammaf = lgamma(x);
    powf = pow(x, y);
    tgammaf = tgamma(x);
}

/// Outside its domain the crate's function gives numbers.
#[unsafe(no_mangle)]
extern "C" fn acosh(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

/// As far as exponents of double go, `int` holds them.
fn clamped(n: i64) -> i32 {
    n.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

#[unsafe(no_mangle)]
extern "C" fn scalbln(x: f64, n: i64) -> f64 {
    libm::scalbn(x, clamped(n))
}

#[unsafe(no_mangle)]
extern "C" fn scalblnf(x: f32, n: i64) -> f32 {
    libm::scalbnf(x, clamped(n))
}
