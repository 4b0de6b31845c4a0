"""Constants of the rhythm tracker, each with its unit and source."""

from dataclasses import dataclass, field

from streamer.core.heart_rate import HeartRateConfig
from streamer.rhythm.atria.measures import AtriaConfig
from streamer.rhythm.waveform.measures import SignalConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RhythmConfig:
    """Limits of the rules in `streamer.rhythm.table`; chosen on DS1 where no source is given."""

    signal: SignalConfig = field(default_factory=SignalConfig)
    atria: AtriaConfig = field(default_factory=AtriaConfig)

    # Rate
    rate: HeartRateConfig = field(default_factory=HeartRateConfig)
    bradycardia_bpm: float = 60.0
    tachycardia_bpm: float = 100.0
    """Limits of sinus rhythm, as every textbook has them."""
    rate_hysteresis_bpm: float = 3.0
    """A rate must come back over its limit by this much before the rhythm ends."""
    bradycardia_alarm_bpm: float = 50.0
    tachycardia_alarm_bpm: float = 115.0
    """Usual defaults of bedside monitors, 50 and 120, the upper one less the 5 a minute by which
    IEC 60601-2-27 lets a heart rate be off."""
    alarm_hysteresis_bpm: float = 10.0
    """Wider for alarms, as the rate swings in atrial fibrillation."""
    extreme_bradycardia_bpm: float = 40.0
    extreme_bradycardia_beats: int = 5
    extreme_tachycardia_bpm: float = 140.0
    extreme_tachycardia_beats: int = 13
    """Clifford et al. 2016 (doi:10.1088/0967-3334/37/8/E5) have below 40 for 5 beats, and above 140
    for 17; bedside monitors average 12 intervals."""
    min_beats: int = 4
    """Beats before anything is said about the patient's own intervals or amplitudes."""

    # Patterns and runs
    cycles: int = 3
    """Repetitions that make bigeminy or trigeminy."""
    run_beats: int = 3
    """Ventricular beats in a row that make a run (AAMI EC57)."""
    run_rr_s: float = 0.6
    """Mean interval of a tachycardia: 100 a minute or more."""
    run_quality: float = 0.5
    """Beats of a lower signal quality are no part of a run."""
    run_median_quality: float = 0.65
    couplet_quality: float = 0.75
    """Median quality of the beats of a tachycardia and of a couplet; electrode motion is less
    clear."""
    long_run_beats: int = 6
    long_run_quality: float = 0.6
    """So many ventricular beats in a row may be less clear."""
    steady_beats: int = 6
    steady_pace: float = 0.12
    steady_quality: float = 0.4
    """So many beats in a row of which each keeps the interval before within this part may be less
    clear still, and doubtful: noise keeps no pace."""
    run_longest_rr_s: float = 0.96
    """Longest interval in a sequence of beats that is as fast as `run_rr_s` on the whole: 1.6 times
    that."""
    run_alarm_odds: float = 0.0
    run_hold_odds: float = -2.0
    """Log-odds that beats in sequence are a tachycardia, to find one and to end it; see
    `streamer.rhythm.run_evidence`."""
    doubtful_share: float = 0.7
    doubtful_min: float = 0.05
    """A beat labelled Q may be ventricular if V has at least this share of the odds that Q leaves,
    and this probability."""
    run_pace: float = 0.2
    """An S beat within a run may differ by this part of the interval before."""
    escape_pace: float = 0.1
    """A slow run that keeps the interval before it within this part is taken for beats of another
    shape, not another pacemaker."""
    escape_quality: float = 0.85
    """As `run_quality`, for slow runs: they wait for nothing."""

    # Silence
    pause_s: float = 2.5
    """Silence that is a pause; 2 to 3 s are in use (doi:10.1161/CIR.0000000000000628 has 3 s)."""
    pause_margin_s: float = 0.6
    """Longer than the decision delay of an ordinary beat, so that none is announced as missing."""
    asystole_s: float = 4.0
    """Clifford et al. 2016 (doi:10.1088/0967-3334/37/8/E5): no QRS for at least 4 s."""
    asystole_margin_s: float = 0.4
    gap_silence_s: float = 2.5
    """Silence that has been seen before the signal went, so that it may have gone on since."""
    gap_asystole_s: float = 5.0
    """For how long without a signal a silence is taken to go on; afterwards nobody knows, and no
    asystole is raised."""
    least_beat_mv: float = 0.05
    most_beat_mv: float = 5.0
    """Deflection in the detector's band below and above which nothing is a beat; IEC 60601-2-27 has
    monitors pass over QRS complexes below 0.15 mV and count those of 0.5 to 5 mV."""
    artefact_before_s: float = 3.0
    artefact_hold_s: float = 10.0
    """After what is larger, an electrode may have come off: a silence that follows it within the
    first of these is no asystole before the second has passed."""
    first_beat_s: float = 6.0
    """Silence that is asystole at the start of a recording, where the detector needs time to learn,
    and while the technical alarm stands."""
    t_wave_s: float = 0.65
    """After its R peak a beat may still move the signal; quiet counts from then on."""
    quiet_part: float = 0.3
    """Deflection, as a part of that of the patient's beats, that is not a beat."""
    quiet_noise_factor: float = 1.8
    max_quiet_part: float = 0.45
    """Where noise is louder than that between beats, so many times this noise, but no more than
    this part of a beat."""
    noise_quality: float = 0.4
    """What is found after a silence with a lower quality, and is as small as the noise, is no
    beat."""
    min_deflection_mv: float = 0.15
    """Beats are taken to be at least this large."""
    default_deflection_mv: float = 0.6
    """Deflection in the detector's band that a beat has before any is known."""
    flat_source_mv: float = 0.001
    """A source that bends less than this between beats has no noise (the steps of 11 bits over
    10 mV are 0.005 mV); there a flat line says nothing about the leads."""
    history_hops: int = 32
    """Measurements of the signal that are kept: 8 s."""

    # Signal that can't be analysed
    unusable_s: float = 10.0
    """Of the signal that is judged together."""
    unusable_least_s: float = 2.0
    usable_most_s: float = 0.5
    """So much of it without good beats begins the alarm and lets it end: at most 3 % of the good
    time of ten records of `vfdb` have as much, 85 % of the noise of 424."""
    disputed_share: float = 0.4
    """Where more of the last intervals hold such movement a low rate is not believed."""
    unusable_part: float = 0.6
    """Deflection, as a part of that of the patient's beats, that asks for a beat."""
    unusable_before_s: float = 0.1
    unusable_after_s: float = 0.25
    """A beat moves the signal from so long before its R peak until so long after, without much of
    its T wave."""
    unusable_lag_hops: int = 4
    """A second later the beat is known, as a rule by search-back too."""

    # Flutter and fibrillation
    vf_span_mv: float = 0.2
    """Coarse fibrillation; smaller waves look like noise."""
    vf_band_hz: tuple[float, float] = (2.5, 12.0)
    """150 to 600 waves a minute; smaller waves on the larger ones make the sine that fits best
    faster than these."""
    vf_alarm_evidence: float = 7.0
    """Sum of log-odds that makes an alarm; see `streamer.rhythm.waveform.waves`."""
    vf_reference_odds: float = 1.0
    """What each measurement must exceed to add to the sum: a CUSUM (Page 1954,
    doi:10.1093/biomet/41.1-2.100)."""
    vf_max_odds: float = 4.0
    """More of one measurement doesn't count: windows overlap, so no two are independent."""
    vf_fast_bonus_odds: float = 2.0
    """Added where all intervals have been as short as `flutter_rr_s` for `vf_fast_s`."""
    vf_fast_min_odds: float = 0.0
    """To odds above this: those of a fast rhythm of complexes are below."""
    vf_fast_s: float = 1.5
    flutter_rr_s: float = 0.45
    """Its longest interval; a missed wave doubles one."""
    vf_hold_hops: int = 6
    """Measurements without flutter that end it."""
    vf_veto_s: float = 3.5
    vf_veto_beats: int = 2
    vf_veto_quality: float = 0.6
    """Good N beats that say the heart is beating, whatever shakes the signal."""

    vf_conducted_beats: int = 6
    vf_conducted_max: float = 0.05
    """As many fairly good beats in that time, of which none has this probability of V, are of the
    atria, small as they may be beside the waves."""
    vf_organised_beats: int = 6
    vf_organised_quality: float = 0.8
    vf_organised_bpm: float = 240.0
    """As many clear V beats in a row, no faster than this, are a tachycardia."""

    @property
    def history_beats(self) -> int:
        """Beats that the rules look back on."""
        return max(self.extreme_tachycardia_beats, 3 * self.cycles) + 1
