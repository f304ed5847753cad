// Rc, Weak, RefCell, Cell, Box chains, drop order, mem::take and replace, Option juggling, a tree with parents.
#![no_std]
#![no_main]
include!("support.rs");
use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};

struct Noisy(&'static str, Rc<RefCell<String>>);
impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.borrow_mut().push_str(self.0);
    }
}
struct Node {
    name: String,
    parent: RefCell<Weak<Node>>,
    children: RefCell<Vec<Rc<Node>>>,
    visits: Cell<u32>,
}
impl Node {
    fn new(name: &str) -> Rc<Node> {
        Rc::new(Node { name: name.into(), parent: RefCell::default(), children: RefCell::default(), visits: Cell::new(0) })
    }
    fn adopt(self: &Rc<Self>, child: Rc<Node>) {
        *child.parent.borrow_mut() = Rc::downgrade(self);
        self.children.borrow_mut().push(child);
    }
    fn path(&self) -> String {
        self.visits.set(self.visits.get() + 1);
        match self.parent.borrow().upgrade() {
            Some(p) => p.path() + "/" + &self.name,
            None => self.name.clone(),
        }
    }
    fn visits(&self) -> u32 {
        self.visits.get() + self.children.borrow().iter().map(|c| c.visits()).sum::<u32>()
    }
}
enum List {
    Cons(i32, Box<List>),
    Nil,
}
impl List {
    fn push(&mut self, x: i32) {
        let old = core::mem::replace(self, List::Nil);
        *self = List::Cons(x, Box::new(old));
    }
    fn reverse(self) -> List {
        let (mut from, mut to) = (self, List::Nil);
        while let List::Cons(x, rest) = from {
            to = List::Cons(x, Box::new(to));
            from = *rest;
        }
        to
    }
    fn values(&self) -> Vec<i32> {
        let mut v = Vec::new();
        let mut at = self;
        while let List::Cons(x, rest) = at {
            v.push(*x);
            at = rest;
        }
        v
    }
}
#[derive(Default)]
struct Tree {
    root: Option<Box<Branch>>,
}
struct Branch {
    key: u32,
    left: Tree,
    right: Tree,
}
impl Tree {
    fn insert(&mut self, key: u32) -> bool {
        let mut at = &mut self.root;
        while let Some(b) = at {
            match key.cmp(&b.key) {
                core::cmp::Ordering::Less => at = &mut b.left.root,
                core::cmp::Ordering::Greater => at = &mut b.right.root,
                core::cmp::Ordering::Equal => return false,
            }
        }
        *at = Some(Box::new(Branch { key, left: Tree::default(), right: Tree::default() }));
        true
    }
    fn pop_least(&mut self) -> Option<u32> {
        if self.root.as_ref()?.left.root.is_some() {
            return self.root.as_mut()?.left.pop_least();
        }
        let b = self.root.take()?;
        self.root = b.right.root;
        Some(b.key)
    }
}
fn early(log: &Rc<RefCell<String>>, n: u32) -> Option<Noisy> {
    let _guard = Noisy("g", log.clone());
    let kept = Noisy("k", log.clone());
    (n > 1).then_some(())?;
    let _second = Noisy("s", log.clone());
    Some(kept)
}
fn run() -> i32 {
    let log = Rc::new(RefCell::new(String::new()));
    {
        let _a = Noisy("a", log.clone());
        let v = vec![Noisy("1", log.clone()), Noisy("2", log.clone())];
        let b = Box::new(Noisy("b", log.clone()));
        core::mem::drop(v);
        let _moved = b;
        let _ = Noisy("_", log.clone());
        let _t = (Noisy("x", log.clone()), Noisy("y", log.clone()));
    }
    print!("{} ", log.borrow());
    for n in 0..4 {
        early(&log, n);
    }
    println!("{} {}", log.borrow(), Rc::strong_count(&log));
    let root = Node::new("root");
    for (i, name) in ["usr", "bin", "etc"].iter().enumerate() {
        let child = Node::new(name);
        for k in 0..i {
            child.adopt(Node::new(&format!("{name}{k}")));
        }
        root.adopt(child);
    }
    let deep = root.children.borrow()[2].children.borrow()[1].clone();
    println!("{} {} {} {}", deep.path(), root.visits(), Rc::strong_count(&deep), Rc::weak_count(&root));
    drop(root);
    println!("{} {}", deep.path(), deep.parent.borrow().upgrade().is_none());
    let mut list = List::Nil;
    (0..8).for_each(|i| list.push(i * i));
    println!("{:?} {:?}", list.values(), list.reverse().values());
    let mut tree = Tree::default();
    let fresh = (0..100).filter(|i| tree.insert(i * 37 % 64)).count();
    let least: Vec<u32> = core::iter::from_fn(|| tree.pop_least()).step_by(9).collect();
    println!("{fresh} {least:?}");
    let mut slot = Some(String::from("taken"));
    let taken = slot.take();
    let again = slot.get_or_insert_with(|| "new".into());
    again.push('!');
    println!("{taken:?} {slot:?} {:?} {:?}", slot.replace("z".into()), slot.as_deref().map(str::len));
    0
}
