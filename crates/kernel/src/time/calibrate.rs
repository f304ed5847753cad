//! Frequency of the TSC, from the best source that there is.
//!
//! 1. CPUID leaf 0x15: crystal and ratio. 2. CPUID leaf 0x16: base frequency. 3. The hypervisor's leaf
//!    0x4000_0010 (kHz). Then measured, over 5 ms: 4. the ACPI PM timer, 5. the HPET, 6. PIT channel 0, which needs no port
//!    0x61 (microvm has none). The local APIC's timer is measured in the same interval.

use super::KHZ;
use crate::acpi::Acpi;
use crate::cpu::{cpuid, lapic, rdtsc};
use crate::memory::dma::map_mmio;
use core::sync::atomic::Ordering;
use x86_64::instructions::port::Port;

const INTERVAL_MS: u64 = 5;
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

    /// Measures TSC and local APIC over the interval. Gives the TSC's frequency in kHz.
    fn measure(&self) -> u64 {
        let ticks = self.hz() * INTERVAL_MS / 1000;
        let first = self.read();
        let begin = rdtsc();
        lapic::begin_calibration();
        let mut passed = 0;
        while passed < ticks {
            passed = u64::from(self.read().wrapping_sub(first) & self.mask());
        }
        let cycles = rdtsc() - begin;
        lapic::end_calibration(cycles);
        (u128::from(cycles) * u128::from(self.hz()) / u128::from(passed) / 1000) as u64
    }
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

/// Finds the frequencies of the TSC and of the local APIC's timer.
pub fn calibrate(acpi: &Acpi) {
    let (khz, source) = if let Some((khz, source)) = stated() {
        let begin = rdtsc();
        lapic::begin_calibration();
        while rdtsc() - begin < khz {
            core::hint::spin_loop();
        }
        lapic::end_calibration(rdtsc() - begin);
        (khz, source)
    } else if let Some(reference) = Reference::find(acpi) {
        (reference.measure(), reference.name())
    } else {
        crate::error!("time: no timer found to measure the TSC with; assuming 1 GHz");
        lapic::begin_calibration();
        lapic::end_calibration(1);
        (1_000_000, "nothing")
    };
    KHZ.store(khz.max(1), Ordering::Relaxed);
    crate::debug!("time: TSC runs at {} MHz by {source}", khz / 1000);
}
