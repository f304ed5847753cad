// A simulation with structs of floats: particles in a box, a spring, heat in a rod, random walks, histograms.
#![no_std]
#![no_main]
include!("support.rs");

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Vec3 {
    x: f64,
    y: f64,
    z: f64,
}
impl core::ops::Add for Vec3 {
    type Output = Vec3;
    fn add(self, o: Vec3) -> Vec3 {
        Vec3 { x: self.x + o.x, y: self.y + o.y, z: self.z + o.z }
    }
}
impl core::ops::Mul<f64> for Vec3 {
    type Output = Vec3;
    fn mul(self, k: f64) -> Vec3 {
        Vec3 { x: self.x * k, y: self.y * k, z: self.z * k }
    }
}
impl Vec3 {
    fn dot(self, o: Vec3) -> f64 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }
    fn map(self, f: impl Fn(f64) -> f64) -> Vec3 {
        Vec3 { x: f(self.x), y: f(self.y), z: f(self.z) }
    }
}
#[derive(Clone, Copy)]
struct Particle {
    at: Vec3,
    speed: Vec3,
    mass: f32,
    hits: u32,
}
fn bounce(p: &mut Particle, dt: f64) {
    let next = p.at + p.speed * dt;
    let fix = |x: f64, v: f64| if x < 0.0 { (-x, -v, 1) } else if x > 1.0 { (2.0 - x, -v, 1) } else { (x, v, 0) };
    let (x, y, z) = (fix(next.x, p.speed.x), fix(next.y, p.speed.y), fix(next.z, p.speed.z));
    p.at = Vec3 { x: x.0, y: y.0, z: z.0 };
    p.speed = Vec3 { x: x.1, y: y.1, z: z.1 };
    p.hits += x.2 + y.2 + z.2;
}
fn heat<const N: usize>(steps: usize) -> [f32; N] {
    let mut rod = [0.0_f32; N];
    rod[0] = 100.0;
    for _ in 0..steps {
        let old = rod;
        for i in 1..N - 1 {
            rod[i] = old[i] + 0.25 * (old[i - 1] - 2.0 * old[i] + old[i + 1]);
        }
    }
    rod
}
fn spring(steps: u32) -> (f64, f64) {
    (0..steps).fold((1.0, 0.0), |(x, v), _| {
        let v = v - x * 0.01 - v * 0.001;
        (x + v * 0.01, v)
    })
}
fn walk(rng: &mut Rng, n: u32) -> (i32, i32) {
    (0..n).fold((0, 0), |(x, y), _| match rng.below(4) {
        0 => (x + 1, y),
        1 => (x - 1, y),
        2 => (x, y + 1),
        _ => (x, y - 1),
    })
}
fn run() -> i32 {
    let mut rng = Rng(2024);
    let mut unit = || (rng.next() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut all: Vec<Particle> = (0..20)
        .map(|i| Particle { at: Vec3 { x: unit(), y: unit(), z: unit() }, speed: Vec3 { x: unit(), y: unit(), z: unit() }.map(|v| v - 0.5), mass: 1.0 + i as f32 / 3.0, hits: 0 })
        .collect();
    for step in 0..60 {
        all.iter_mut().for_each(|p| bounce(p, 0.05));
        if step % 20 == 19 {
            let energy: f64 = all.iter().map(|p| 0.5 * f64::from(p.mass) * p.speed.dot(p.speed)).sum();
            let centre = all.iter().fold(Vec3::default(), |c, p| c + p.at * (1.0 / 20.0));
            println!("{energy:.12} {:.12} {:.12} {}", centre.x, centre.z, all.iter().map(|p| p.hits).sum::<u32>());
        }
    }
    println!("{:?}", heat::<12>(50));
    println!("{:?}", spring(500));
    let mut counts = [0_u32; 10];
    for _ in 0..40 {
        let (x, y) = walk(&mut rng, 50);
        counts[((x * x + y * y) / 20).min(9) as usize] += 1;
    }
    println!("{counts:?}");
    0
}
