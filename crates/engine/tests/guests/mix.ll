; Integers, floats, vectors, a loop, memory, an indirect call and a host call; returns a checksum.
target triple = "x86_64-unknown-linux-gnu"
@table = internal constant [4 x ptr] [ptr @twice, ptr @square, ptr @twice, ptr @square]
@state = internal global i32 7
@message = private constant [6 x i8] c"hello\0A"

declare void @bf_console_write(ptr, i64)
declare i64 @bf_cpu_features()

define internal i32 @twice(i32 %x) {
  %r = shl i32 %x, 1
  ret i32 %r
}
define internal i32 @square(i32 %x) {
  %r = mul i32 %x, %x
  ret i32 %r
}
define internal float @dot(<8 x float> %a, <8 x float> %b) {
  %m = fmul <8 x float> %a, %b
  %r = call float @llvm.vector.reduce.fadd.v8f32(float 0.0, <8 x float> %m)
  ret float %r
}
declare float @llvm.vector.reduce.fadd.v8f32(float, <8 x float>)

define i32 @bf_main() {
entry:
  call void @bf_console_write(ptr @message, i64 6)
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %slot = and i32 %i, 3
  %index = zext i32 %slot to i64
  %where = getelementptr [4 x ptr], ptr @table, i64 0, i64 %index
  %f = load ptr, ptr %where
  %v = call i32 %f(i32 %i)
  %old = load i32, ptr @state
  %mix = mul i32 %old, 31
  %new = add i32 %mix, %v
  store i32 %new, ptr @state
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, 1000
  br i1 %more, label %loop, label %done
done:
  %s = load i32, ptr @state
  %sf = sitofp i32 %s to float
  %v0 = insertelement <8 x float> <float 1.0, float 2.0, float 3.0, float 4.0, float 5.0, float 6.0, float 7.0, float 8.0>, float %sf, i32 0
  %d = call float @dot(<8 x float> %v0, <8 x float> <float 0.5, float 0.25, float 0.125, float 1.5, float 2.5, float 3.5, float 4.5, float 5.5>)
  %bits = bitcast float %d to i32
  %x = xor i32 %bits, %s
  ret i32 %x
}
