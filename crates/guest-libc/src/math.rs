//! Mathematics that LLVM-libc 19 does not have or has wrongly: the crate `libm` under C's names.
//!
//! Most functions of double are missing there. Its `fma` without the instruction rounds subnormal results wrongly, its
//! `powf` of minus infinity is not a number. What is more than one unit off in both is CORE-MATH's (`core-math.txt`).

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
    atan(x: f64) -> f64;
    atan2(y: f64, x: f64) -> f64;
    erf(x: f64) -> f64;
    fma(x: f64, y: f64, z: f64) -> f64;
    fmaf(x: f32, y: f32, z: f32) -> f32;
    pow(x: f64, y: f64) -> f64;
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
    powf = pow(x, y);
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
