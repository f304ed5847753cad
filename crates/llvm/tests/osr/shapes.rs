//! Loops of every form, with values of every type.

use crate::harness::check;

#[test]
fn a_sum() {
    let polls = check(
        "
define i64 @f(i64 %n) noinline {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %s = phi i64 [ 7, %entry ], [ %t, %body ]
  %c = icmp ult i64 %i, %n
  br i1 %c, label %body, label %exit
body:
  %t = add i64 %s, %i
  %j = add i64 %i, 1
  br label %head
exit:
  ret i64 %s
}
define void @run(ptr %out) {
  %r = call i64 @f(i64 50)
  store i64 %r, ptr %out
  ret void
}",
    );
    assert_eq!(polls, 51);
}
