// The mathematics library: every function of one, two and three arguments, double and float.
#include <math.h>
#include <stdio.h>

typedef double f1(double);
typedef double f2(double, double);
typedef float g1(float);
int main(void) {
    static const struct { const char *n; f1 *f; } one[] = {
        {"sin", sin}, {"cos", cos}, {"tan", tan}, {"asin", asin}, {"acos", acos}, {"atan", atan}, {"sinh", sinh}, {"cosh", cosh}, {"tanh", tanh}, {"asinh", asinh}, {"exp", exp}, {"exp2", exp2},
        {"expm1", expm1}, {"log", log}, {"log2", log2}, {"log10", log10}, {"log1p", log1p}, {"sqrt", sqrt}, {"cbrt", cbrt}, {"erf", erf}, {"tgamma", tgamma}, {"lgamma", lgamma}, {"floor", floor},
        {"ceil", ceil}, {"trunc", trunc}, {"round", round}, {"rint", rint}, {"fabs", fabs}, {"logb", logb}};
    static const double points[] = {0.1, 0.5, 0.75, 0.99};
    for (unsigned i = 0; i < sizeof one / sizeof *one; i++) {
        printf("%-6s", one[i].n);
        for (int k = 0; k < 4; k++) printf(" %.14g", one[i].f(points[k]));
        putchar('\n');
    }
    static const struct { const char *n; f2 *f; } two[] = {{"pow", pow}, {"atan2", atan2}, {"fmod", fmod}, {"remainder", remainder}, {"hypot", hypot}, {"fdim", fdim}, {"fmax", fmax}, {"fmin", fmin}, {"copysign", copysign}, {"nextafter", nextafter}};
    for (unsigned i = 0; i < sizeof two / sizeof *two; i++) printf("%s %.14g %.14g %.14g\n", two[i].n, two[i].f(7.5, 2), two[i].f(-2.25, 3), two[i].f(0.3, -0.7));
    static const struct { const char *n; g1 *f; } single[] = {{"sinf", sinf}, {"cosf", cosf}, {"expf", expf}, {"logf", logf}, {"sqrtf", sqrtf}, {"tanhf", tanhf}, {"floorf", floorf}, {"roundf", roundf}};
    for (unsigned i = 0; i < sizeof single / sizeof *single; i++) printf("%s %.5g %.5g\n", single[i].n, (double)single[i].f(0.7f), (double)single[i].f(2.5f));
    int e;
    double whole, m = frexp(1234.5, &e), part = modf(-3.75, &whole);
    printf("%.10g %d %.10g %.10g %.10g\n", m, e, part, whole, ldexp(0.75, 10));
    printf("%ld %lld %ld %d %d\n", lround(-2.5), llrint(3.5), lrint(2.5), ilogb(1000.0), (int)floor(-0.5));
    printf("%.17g %.17g %.9g\n", fma(0.1, 10, -1), fma(1e308, 10, -INFINITY), (double)fmaf(3, 1.0f / 3, -1));
    double a = __builtin_fma(1.0 + 0x1p-30, 1.0 - 0x1p-30, -1);
    printf("%a %a\n", a, (1.0 + 0x1p-30) * (1.0 - 0x1p-30) - 1);
    double s = 0;
    for (int i = 1; i < 200; i++) s += sin(i) * sqrt(i) / exp2(i % 7) + atan2(i, 3) - pow(1.01, i);
    printf("%.12g\n", s);
    printf("%d %d %d\n", isnan(sqrt(-1.0)), isinf(exp(1e4)), pow(2, -1080) == 0);
    return 0;
}
