// A small language: lexer, compiler to bytecode, a machine with frames and a heap of values.
#![no_std]
#![no_main]
include!("support.rs");
use alloc::collections::BTreeMap;
use alloc::rc::Rc;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Int(i64),
    Text(Rc<str>),
    List(Rc<Vec<Value>>),
}
#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Const(u16),
    Load(u8),
    Store(u8),
    Binary(u8),
    Jump(u16),
    JumpIfZero(u16),
    Call(u16, u8),
    MakeList(u8),
    Index,
    Print,
    Return,
}
struct Function {
    code: Vec<Op>,
    locals: u8,
}
#[derive(Default)]
struct Compiler {
    constants: Vec<Value>,
    functions: Vec<Function>,
    names: BTreeMap<String, u16>,
}
/// (fn name params body), (set x e), (while c body...), (if c a b), (call f args...), (list ...), (at l i), (print e), (+ a b)
#[derive(Debug)]
enum Tree {
    Atom(String),
    Node(Vec<Tree>),
}
fn read(tokens: &mut dyn Iterator<Item = String>) -> Option<Tree> {
    let token = tokens.next()?;
    if token == "(" {
        let mut v = Vec::new();
        while let Some(t) = read(tokens) {
            v.push(t);
        }
        Some(Tree::Node(v))
    } else if token == ")" {
        None
    } else {
        Some(Tree::Atom(token))
    }
}
impl Compiler {
    fn function(&mut self, parameters: &[Tree], body: &[Tree]) -> Function {
        let mut scope = Vec::new();
        for p in parameters {
            if let Tree::Atom(name) = p {
                scope.push(name.clone());
            }
        }
        let mut code = Vec::new();
        for t in body {
            self.expression(t, &mut code, &mut scope);
        }
        code.push(Op::Return);
        Function { code, locals: scope.len() as u8 }
    }
    fn constant(&mut self, v: Value) -> Op {
        let at = self.constants.iter().position(|c| *c == v).unwrap_or_else(|| {
            self.constants.push(v);
            self.constants.len() - 1
        });
        Op::Const(at as u16)
    }
    fn expression(&mut self, t: &Tree, code: &mut Vec<Op>, scope: &mut Vec<String>) {
        let v = match t {
            Tree::Atom(a) => {
                let op = match (a.parse(), a.strip_prefix('\'')) {
                    (Ok(n), _) => self.constant(Value::Int(n)),
                    (_, Some(s)) => self.constant(Value::Text(s.into())),
                    _ => Op::Load(scope.iter().position(|s| s == a).unwrap() as u8),
                };
                return code.push(op);
            }
            Tree::Node(v) => v,
        };
        let Tree::Atom(head) = &v[0] else { panic!("head") };
        match head.as_str() {
            "set" => {
                let Tree::Atom(name) = &v[1] else { panic!("name") };
                self.expression(&v[2], code, scope);
                let at = scope.iter().position(|s| s == name).unwrap_or_else(|| {
                    scope.push(name.clone());
                    scope.len() - 1
                });
                code.push(Op::Store(at as u8));
            }
            "while" => {
                let start = code.len();
                self.expression(&v[1], code, scope);
                let exit = code.len();
                code.push(Op::JumpIfZero(0));
                v[2..].iter().for_each(|t| self.expression(t, code, scope));
                code.push(Op::Jump(start as u16));
                code[exit] = Op::JumpIfZero(code.len() as u16);
            }
            "if" => {
                self.expression(&v[1], code, scope);
                let other = code.len();
                code.push(Op::JumpIfZero(0));
                self.expression(&v[2], code, scope);
                let end = code.len();
                code.push(Op::Jump(0));
                code[other] = Op::JumpIfZero(code.len() as u16);
                self.expression(&v[3], code, scope);
                code[end] = Op::Jump(code.len() as u16);
            }
            "call" => {
                let Tree::Atom(name) = &v[1] else { panic!("name") };
                v[2..].iter().for_each(|t| self.expression(t, code, scope));
                code.push(Op::Call(self.names[name], v.len() as u8 - 2));
            }
            "list" => {
                v[1..].iter().for_each(|t| self.expression(t, code, scope));
                code.push(Op::MakeList(v.len() as u8 - 1));
            }
            op => {
                v[1..].iter().for_each(|t| self.expression(t, code, scope));
                code.push(match op {
                    "at" => Op::Index,
                    "print" => Op::Print,
                    _ => Op::Binary(op.as_bytes()[0]),
                });
            }
        }
    }
}
fn execute(c: &Compiler, main: usize) -> usize {
    let mut stack: Vec<Value> = vec![Value::Int(0); c.functions[main].locals.into()];
    let mut frames = vec![(main, 0, 0)];
    let mut steps = 0;
    while let Some((f, pc, base)) = frames.last_mut() {
        let op = c.functions[*f].code[*pc];
        *pc += 1;
        steps += 1;
        match op {
            Op::Const(i) => stack.push(c.constants[usize::from(i)].clone()),
            Op::Load(i) => stack.push(stack[*base + usize::from(i)].clone()),
            Op::Store(i) => stack[*base + usize::from(i)] = stack.pop().unwrap(),
            Op::Jump(to) => *pc = to.into(),
            Op::JumpIfZero(to) => {
                if stack.pop() == Some(Value::Int(0)) {
                    *pc = to.into();
                }
            }
            Op::Binary(op) => {
                let (b, a) = (stack.pop().unwrap(), stack.pop().unwrap());
                stack.push(match (op, a, b) {
                    (b'+', Value::Text(a), b) => Value::Text(format!("{a}{}", text(&b)).into()),
                    (b'+', Value::List(a), b) => {
                        let mut v = (*a).clone();
                        v.push(b);
                        Value::List(v.into())
                    }
                    (op, Value::Int(a), Value::Int(b)) => Value::Int(match op {
                        b'+' => a + b,
                        b'-' => a - b,
                        b'*' => a.wrapping_mul(b),
                        b'%' => a % b,
                        b'<' => (a < b).into(),
                        _ => (a == b).into(),
                    }),
                    _ => panic!("types"),
                });
            }
            Op::Call(f, n) => {
                let base = stack.len() - usize::from(n);
                stack.extend((n..c.functions[usize::from(f)].locals).map(|_| Value::Int(0)));
                frames.push((f.into(), 0, base));
            }
            Op::MakeList(n) => {
                let v = stack.split_off(stack.len() - usize::from(n));
                stack.push(Value::List(v.into()));
            }
            Op::Index => match (stack.pop(), stack.pop()) {
                (Some(Value::Int(i)), Some(Value::List(v))) => stack.push(v[i as usize].clone()),
                _ => panic!("types"),
            },
            Op::Print => println!("{}", text(&stack.pop().unwrap())),
            Op::Return => {
                let result = stack.pop();
                stack.truncate(*base);
                stack.extend(result);
                frames.pop();
            }
        }
    }
    steps
}
fn text(v: &Value) -> String {
    match v {
        Value::Int(n) => n.to_string(),
        Value::Text(s) => s.to_string(),
        Value::List(v) => format!("[{}]", v.iter().map(text).collect::<Vec<_>>().join(" ")),
    }
}
fn run() -> i32 {
    let source = "
        (fn fib (n) (if (< n 2) n (+ (call fib (- n 1)) (call fib (- n 2)))))
        (fn gcd (a b) (if (= b 0) a (call gcd b (% a b))))
        (fn main () (print (call fib 13)) (print (call gcd 1071 462))
            (set i 0) (set l (list)) (set s 'squares:)
            (while (< i 12) (set l (+ l (* i i))) (set s (+ (+ s '_) i)) (set i (+ i 1)))
            (print l) (print s) (print (at l 7))
            (set n 27) (set steps 0)
            (while (- n 1) (set n (if (% n 2) (+ (* n 3) 1) (- n (call half n)))) (set steps (+ steps 1)))
            (print steps) 0)
        (fn half (n) (set k 0) (set low 0) (set high n)
            (while (< (+ low 1) high) (set k (+ low (call shift (- high low)))) (if (< (* k 2) (+ n 1)) (set low k) (set high k)) )
            (if (= (+ low low) n) low (+ low 1)))
        (fn shift (n) (set r 1) (while (< (* r 2) n) (set r (* r 2))) r)";
    let spaced = source.replace('(', " ( ").replace(')', " ) ");
    let mut tokens = spaced.split_whitespace().map(String::from);
    let mut c = Compiler::default();
    let mut trees = Vec::new();
    while let Some(Tree::Node(v)) = read(&mut tokens) {
        if let Tree::Atom(name) = &v[1] {
            c.names.insert(name.clone(), trees.len() as u16);
        }
        trees.push(v);
    }
    for v in &trees {
        let Tree::Node(parameters) = &v[2] else { panic!("parameters") };
        let f = c.function(parameters, &v[3..]);
        c.functions.push(f);
    }
    let main = usize::from(c.names["main"]);
    println!("{} constants, {} steps", c.constants.len(), execute(&c, main));
    0
}
