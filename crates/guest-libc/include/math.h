//! Mathematics (C11 7.12). `errno` is left alone: errors are in the result and in the flags of <fenv.h>.
#ifndef BAREFLOW_LIBC_MATH_H
#define BAREFLOW_LIBC_MATH_H
#include <bits.h>
typedef float float_t;
typedef double double_t;
#define HUGE_VAL __builtin_huge_val()
#define HUGE_VALF __builtin_huge_valf()
#define HUGE_VALL __builtin_huge_vall()
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define FP_NAN 0
#define FP_INFINITE 1
#define FP_ZERO 2
#define FP_SUBNORMAL 3
#define FP_NORMAL 4
#define FP_ILOGB0 (-2147483647 - 1)
#define FP_ILOGBNAN (-2147483647 - 1)
#define FP_LLOGB0 (-9223372036854775807L - 1)
#define FP_LLOGBNAN (-9223372036854775807L - 1)
#define FP_INT_UPWARD 0
#define FP_INT_DOWNWARD 1
#define FP_INT_TOWARDZERO 2
#define FP_INT_TONEARESTFROMZERO 3
#define FP_INT_TONEAREST 4
#define MATH_ERRNO 1
#define MATH_ERREXCEPT 2
#define math_errhandling MATH_ERREXCEPT
#define fpclassify(x) __builtin_fpclassify(FP_NAN, FP_INFINITE, FP_NORMAL, FP_SUBNORMAL, FP_ZERO, x)
#define isfinite(x) __builtin_isfinite(x)
#define isinf(x) __builtin_isinf(x)
#define isnan(x) __builtin_isnan(x)
#define isnormal(x) __builtin_isnormal(x)
#define signbit(x) __builtin_signbit(x)
#define isgreater(x, y) __builtin_isgreater(x, y)
#define isgreaterequal(x, y) __builtin_isgreaterequal(x, y)
#define isless(x, y) __builtin_isless(x, y)
#define islessequal(x, y) __builtin_islessequal(x, y)
#define islessgreater(x, y) __builtin_islessgreater(x, y)
#define isunordered(x, y) __builtin_isunordered(x, y)
#define M_E 2.7182818284590452354
#define M_LOG2E 1.4426950408889634074
#define M_LOG10E 0.43429448190325182765
#define M_LN2 0.69314718055994530942
#define M_LN10 2.30258509299404568402
#define M_PI 3.14159265358979323846
#define M_PI_2 1.57079632679489661923
#define M_PI_4 0.78539816339744830962
#define M_1_PI 0.31830988618379067154
#define M_2_PI 0.63661977236758134308
#define M_2_SQRTPI 1.12837916709551257390
#define M_SQRT2 1.41421356237309504880
#define M_SQRT1_2 0.70710678118654752440
__BEGIN_C
double acos(double x) __NOTHROW;
float acosf(float x) __NOTHROW;
double asin(double x) __NOTHROW;
float asinf(float x) __NOTHROW;
double atan(double x) __NOTHROW;
float atanf(float x) __NOTHROW;
double cos(double x) __NOTHROW;
float cosf(float x) __NOTHROW;
double sin(double x) __NOTHROW;
float sinf(float x) __NOTHROW;
double tan(double x) __NOTHROW;
float tanf(float x) __NOTHROW;
double acosh(double x) __NOTHROW;
float acoshf(float x) __NOTHROW;
double asinh(double x) __NOTHROW;
float asinhf(float x) __NOTHROW;
double atanh(double x) __NOTHROW;
float atanhf(float x) __NOTHROW;
double cosh(double x) __NOTHROW;
float coshf(float x) __NOTHROW;
double sinh(double x) __NOTHROW;
float sinhf(float x) __NOTHROW;
double tanh(double x) __NOTHROW;
float tanhf(float x) __NOTHROW;
double exp(double x) __NOTHROW;
float expf(float x) __NOTHROW;
double exp2(double x) __NOTHROW;
float exp2f(float x) __NOTHROW;
double exp10(double x) __NOTHROW;
float exp10f(float x) __NOTHROW;
double expm1(double x) __NOTHROW;
float expm1f(float x) __NOTHROW;
double log(double x) __NOTHROW;
float logf(float x) __NOTHROW;
double log10(double x) __NOTHROW;
float log10f(float x) __NOTHROW;
double log1p(double x) __NOTHROW;
float log1pf(float x) __NOTHROW;
double log2(double x) __NOTHROW;
float log2f(float x) __NOTHROW;
double logb(double x) __NOTHROW;
float logbf(float x) __NOTHROW;
long double logbl(long double x) __NOTHROW;
double cbrt(double x) __NOTHROW;
float cbrtf(float x) __NOTHROW;
double fabs(double x) __NOTHROW;
float fabsf(float x) __NOTHROW;
long double fabsl(long double x) __NOTHROW;
double sqrt(double x) __NOTHROW;
float sqrtf(float x) __NOTHROW;
long double sqrtl(long double x) __NOTHROW;
double erf(double x) __NOTHROW;
float erff(float x) __NOTHROW;
double erfc(double x) __NOTHROW;
float erfcf(float x) __NOTHROW;
/* Sign of the gamma function, by the last lgamma: 1 or -1; one for all threads. */
extern int signgam;
double lgamma(double x) __NOTHROW;
float lgammaf(float x) __NOTHROW;
double tgamma(double x) __NOTHROW;
float tgammaf(float x) __NOTHROW;
double ceil(double x) __NOTHROW;
float ceilf(float x) __NOTHROW;
long double ceill(long double x) __NOTHROW;
double floor(double x) __NOTHROW;
float floorf(float x) __NOTHROW;
long double floorl(long double x) __NOTHROW;
double nearbyint(double x) __NOTHROW;
float nearbyintf(float x) __NOTHROW;
long double nearbyintl(long double x) __NOTHROW;
double rint(double x) __NOTHROW;
float rintf(float x) __NOTHROW;
long double rintl(long double x) __NOTHROW;
double round(double x) __NOTHROW;
float roundf(float x) __NOTHROW;
long double roundl(long double x) __NOTHROW;
double roundeven(double x) __NOTHROW;
float roundevenf(float x) __NOTHROW;
long double roundevenl(long double x) __NOTHROW;
double trunc(double x) __NOTHROW;
float truncf(float x) __NOTHROW;
long double truncl(long double x) __NOTHROW;
double atan2(double x, double y) __NOTHROW;
float atan2f(float x, float y) __NOTHROW;
double pow(double x, double y) __NOTHROW;
float powf(float x, float y) __NOTHROW;
double hypot(double x, double y) __NOTHROW;
float hypotf(float x, float y) __NOTHROW;
double fmod(double x, double y) __NOTHROW;
float fmodf(float x, float y) __NOTHROW;
long double fmodl(long double x, long double y) __NOTHROW;
double remainder(double x, double y) __NOTHROW;
float remainderf(float x, float y) __NOTHROW;
long double remainderl(long double x, long double y) __NOTHROW;
double copysign(double x, double y) __NOTHROW;
float copysignf(float x, float y) __NOTHROW;
long double copysignl(long double x, long double y) __NOTHROW;
double nextafter(double x, double y) __NOTHROW;
float nextafterf(float x, float y) __NOTHROW;
long double nextafterl(long double x, long double y) __NOTHROW;
double fdim(double x, double y) __NOTHROW;
float fdimf(float x, float y) __NOTHROW;
long double fdiml(long double x, long double y) __NOTHROW;
double fmax(double x, double y) __NOTHROW;
float fmaxf(float x, float y) __NOTHROW;
long double fmaxl(long double x, long double y) __NOTHROW;
double fmin(double x, double y) __NOTHROW;
float fminf(float x, float y) __NOTHROW;
long double fminl(long double x, long double y) __NOTHROW;
double fma(double x, double y, double z) __NOTHROW;
double remquo(double x, double y, int *quotient) __NOTHROW;
void sincos(double x, double *sine, double *cosine) __NOTHROW;
float fmaf(float x, float y, float z) __NOTHROW;
float remquof(float x, float y, int *quotient) __NOTHROW;
void sincosf(float x, float *sine, float *cosine) __NOTHROW;
double frexp(double x, int *exponent) __NOTHROW;
double ldexp(double x, int exponent) __NOTHROW;
double scalbn(double x, int exponent) __NOTHROW;
double modf(double x, double *whole) __NOTHROW;
int ilogb(double x) __NOTHROW;
long lrint(double x) __NOTHROW;
long lround(double x) __NOTHROW;
long long llrint(double x) __NOTHROW;
long long llround(double x) __NOTHROW;
double nan(const char *tag) __NOTHROW;
float frexpf(float x, int *exponent) __NOTHROW;
float ldexpf(float x, int exponent) __NOTHROW;
float scalbnf(float x, int exponent) __NOTHROW;
float modff(float x, float *whole) __NOTHROW;
int ilogbf(float x) __NOTHROW;
long lrintf(float x) __NOTHROW;
long lroundf(float x) __NOTHROW;
long long llrintf(float x) __NOTHROW;
long long llroundf(float x) __NOTHROW;
float nanf(const char *tag) __NOTHROW;
long double frexpl(long double x, int *exponent) __NOTHROW;
long double ldexpl(long double x, int exponent) __NOTHROW;
long double scalbnl(long double x, int exponent) __NOTHROW;
long double modfl(long double x, long double *whole) __NOTHROW;
int ilogbl(long double x) __NOTHROW;
long lrintl(long double x) __NOTHROW;
long lroundl(long double x) __NOTHROW;
long long llrintl(long double x) __NOTHROW;
long long llroundl(long double x) __NOTHROW;
long double nanl(const char *tag) __NOTHROW;
double scalbln(double x, long exponent) __NOTHROW;
float scalblnf(float x, long exponent) __NOTHROW;
__END_C
#endif
