//! Frequency of the TSC, from the best source that there is.
//!
//! 1. CPUID leaf 0x15: crystal and ratio. 2. CPUID leaf 0x16: base frequency. 3. The hypervisor's leaf
//!    0x4000_0010 (kHz). Then measured: 4. the ACPI PM timer, 5. the HPET, 6. PIT channel 0, which needs no port
//!    0x61 (microvm has none). The local APIC's timer is measured beside it.
//!
//! Measuring takes time that the boot has a use for: one millisecond gives a frequency that is good enough for waiting on devices, and
//! when those are found, what passed meanwhile gives the final one ([`Calibration::finish`]).

use super::KHZ;
use crate::acpi::Acpi;
use crate::cpu::{cpuid, lapic, rdtsc};
use crate::memory::dma::map_mmio;
use core::sync::atomic::Ordering;
use x86_64::instructions::port::Port;

/// What the first frequency is measured over.
const FIRST_US: u64 = 1000;
/// Least that the final one is measured over.
const FINAL_US: u64 = 5000;
/// Samples of which the one that was interrupted least counts.
const SAMPLES: usize = 3;
const PM_TIMER_HZ: u64 = 3_579_545;
const PIT_HZ: u64 = 1_193_182;

/// A counter of known frequency.
enum Reference {
    PmTimer { port: u16 },
    Hpet { counter: *const u32, hz: u64 },
    Pit,
}

impl Reference {
    fn name(&self) -> &'static str {
        match self {
            Self::PmTimer { .. } => "ACPI PM timer",
            Self::Hpet { .. } => "HPET",
            Self::Pit => "PIT",
        }
    }

    fn hz(&self) -> u64 {
        match self {
            Self::PmTimer { .. } => PM_TIMER_HZ,
            Self::Hpet { hz, .. } => *hz,
            Self::Pit => PIT_HZ,
        }
    }

    /// Bits that certainly count.
    fn mask(&self) -> u32 {
        match self {
            Self::PmTimer { .. } => 0xFF_FFFF,
            Self::Hpet { .. } => u32::MAX,
            Self::Pit => 0xFFFF,
        }
    }

    /// Value, counting up.
    fn read(&self) -> u32 {
        // SAFETY: reading these counters has no side effect but latching the PIT, which only we use.
        unsafe {
            match self {
                Self::PmTimer { port } => Port::<u32>::new(*port).read(),
                Self::Hpet { counter, .. } => counter.read_volatile(),
                Self::Pit => {
                    Port::<u8>::new(0x43).write(0);
                    let mut port = Port::<u8>::new(0x40);
                    let low = u32::from(port.read());
                    0xFFFF - (u32::from(port.read()) << 8 | low)
                }
            }
        }
    }

    /// The best counter that really counts.
    fn find(acpi: &Acpi) -> Option<Self> {
        let hpet = || {
            let base = map_mmio(acpi.hpet?, 0x400).as_ptr();
            // SAFETY: the ACPI table says that an HPET is here (IA-PC HPET specification 2.3: period in
            // femtoseconds at 4, configuration at 0x10, counter at 0xF0).
            unsafe {
                let period = u64::from(base.add(4).cast::<u32>().read_volatile());
                let config = base.add(0x10).cast::<u32>();
                config.write_volatile(config.read_volatile() | 1);
                let counter = base.add(0xF0).cast::<u32>();
                (period != 0).then(|| Self::Hpet {
                    counter,
                    hz: 1_000_000_000_000_000 / period,
                })
            }
        };
        let pit = || {
            // SAFETY: channel 0 as a free-running 16-bit counter; its interrupt line is masked.
            unsafe {
                Port::<u8>::new(0x43).write(0x34);
                Port::<u8>::new(0x40).write(0);
                Port::<u8>::new(0x40).write(0);
            }
            Some(Self::Pit)
        };
        let pm = acpi.pm_timer.map(|port| Self::PmTimer { port });
        let counts = |reference: &Self| {
            let first = reference.read();
            (0..10_000).any(|_| reference.read() != first)
        };
        pm.filter(counts)
            .or_else(|| hpet().filter(counts))
            .or_else(|| pit().filter(counts))
    }

    /// Value and TSC at one moment: of a few readings the one with the least time between.
    fn sample(&self) -> Moment {
        let readings = core::array::from_fn::<_, SAMPLES, _>(|_| {
            let before = rdtsc();
            let ticks = self.read();
            let gap = rdtsc() - before;
            (
                gap,
                Moment {
                    ticks,
                    cycles: before + gap / 2,
                },
            )
        });
        let best = readings.into_iter().min_by_key(|(gap, _)| *gap);
        best.map_or(Moment::default(), |(_, moment)| moment)
    }

    /// Waits until `us` microseconds have passed since `first`, and gives the TSC's frequency in kHz. Half the counter's
    /// range must not have passed yet.
    fn measure(&self, first: Moment, us: u64) -> u64 {
        let ticks = self.hz() * us / 1_000_000;
        loop {
            let now = self.sample();
            let passed = u64::from(now.ticks.wrapping_sub(first.ticks) & self.mask());
            if passed >= ticks {
                let cycles = u128::from(now.cycles.saturating_sub(first.cycles));
                return (cycles * u128::from(self.hz()) / u128::from(passed.max(1)) / 1000) as u64;
            }
        }
    }

    /// Microseconds that may pass before its value says nothing any more.
    fn range_us(&self) -> u64 {
        u64::from(self.mask() / 2) * 1_000_000 / self.hz()
    }
}

/// A counter's value and the TSC at the same time.
#[derive(Clone, Copy, Default)]
struct Moment {
    ticks: u32,
    cycles: u64,
}

/// A measurement that goes on while the machine boots.
pub struct Calibration(Option<(Reference, Moment)>);

impl Calibration {
    /// Sets the TSC's frequency for good.
    pub fn finish(self) {
        let Some((reference, first)) = self.0 else {
            return;
        };
        let passed_us = super::cycles_to_ns(rdtsc().saturating_sub(first.cycles)) / 1000;
        // Too late for this counter: from here on, then.
        let first = match passed_us < reference.range_us() {
            true => first,
            false => reference.sample(),
        };
        KHZ.store(reference.measure(first, FINAL_US).max(1), Ordering::Relaxed);
        say(reference.name());
    }
}

fn say(source: &str) {
    let mhz = KHZ.load(Ordering::Relaxed) / 1000;
    crate::debug!("time: TSC runs at {mhz} MHz by {source}");
}

/// What the processor or the hypervisor says, in kHz.
fn stated() -> Option<(u64, &'static str)> {
    let leaf = cpuid(0x15, 0);
    if leaf.eax != 0 && leaf.ebx != 0 && leaf.ecx != 0 {
        let hz = u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax);
        return Some((hz / 1000, "CPUID 0x15"));
    }
    let mhz = cpuid(0x16, 0).eax & 0xFFFF;
    if mhz != 0 {
        return Some((u64::from(mhz) * 1000, "CPUID 0x16"));
    }
    let virtual_machine = cpuid(1, 0).ecx >> 31 != 0;
    let khz = if virtual_machine {
        cpuid(0x4000_0010, 0).eax
    } else {
        0
    };
    (khz != 0).then_some((khz.into(), "hypervisor leaf 0x40000010"))
}

/// Finds the frequencies of the TSC, roughly if it has to be measured, and of the local APIC's timer.
pub fn calibrate(acpi: &Acpi) -> Calibration {
    if let Some((khz, source)) = stated() {
        let begin = rdtsc();
        lapic::begin_calibration();
        while rdtsc() - begin < khz {
            core::hint::spin_loop();
        }
        lapic::end_calibration(rdtsc() - begin);
        KHZ.store(khz, Ordering::Relaxed);
        say(source);
        return Calibration(None);
    }
    let Some(reference) = Reference::find(acpi) else {
        crate::error!("time: no timer found to measure the TSC with; assuming 1 GHz");
        lapic::begin_calibration();
        lapic::end_calibration(1);
        return Calibration(None);
    };
    let first = reference.sample();
    let begin = rdtsc();
    lapic::begin_calibration();
    let khz = reference.measure(first, FIRST_US);
    lapic::end_calibration(rdtsc() - begin);
    KHZ.store(khz.max(1), Ordering::Relaxed);
    Calibration(Some((reference, first)))
}
