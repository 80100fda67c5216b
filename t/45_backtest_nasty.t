#!/usr/bin/perl

# Whatever the series: what comes out of "forecast" and of "backtest" is
# finite, in order, and never negative without a reason.  TAP_SEED=N repeats
# a run.

use warnings;
use strict;

use List::Util qw/ min /;
use Test::More;

use ShardTest::Predictor;

plan skip_all => "no $program (run make)" unless -x $program;

my $start = 1704067200;

my $seed = $ENV{TAP_SEED} || 1 + int(rand(1e9));
diag("TAP_SEED=$seed");
srand($seed);

for my $round (1 .. 45) {
    my ($what, $step, @y) = nasty();
    my $text = join '', map { sprintf "%d,%s\n", $start + $_ * $step,
                              $y[$_] // '' } 0 .. $#y;
    my $least = min(0, map { $_ // 0 } @y);

    put("$dir/nasty.csv", $text);
    my ($status, $out, $err) = run_with("$dir/nasty.csv", 'forecast',
                                        '--interval', $step, '--quantiles',
                                        '0.05,0.1,0.5,0.9,0.95');
    my $bad = $status == 2 && $out eq '' && $err =~ /too little history/ ? ''
              : $status ? "exit status $status: $err"
              : bad($least, map { s/^\d+,//r } split /\n/, $out);
    ok(!$bad, "forecast of $what") or keep($bad, $what, $text);

    next if $round % 5;

    unlink glob("$dir/nasty-rows/*.csv");
    ($status, $out, $err) = run('backtest', '--origins', 3, '--csv',
                                "$dir/nasty-rows", "$dir/nasty.csv");
    $bad = $status == 2 ? $err !~ /too little|none of/ && "status 2: $err"
           : $status ? "exit status $status: $err"
           : $out =~ /\b(nan|inf)\b/ ? "the table has $1"
           : bad($least, map { my $f = $_; open(my $in, '<', $f) or die;
                               map { s/^([^,]*,){4}//r } <$in> }
                             glob("$dir/nasty-rows/*.csv"));
    ok(!$bad, "backtest of $what") or keep($bad, $what, $text);
}

done_testing();


# a name of what it is, the interval, values

sub nasty {
    my $step = (3600, 1800, 300, 60, 7200)[rand 5];
    my $n = int((86400 / $step) * (0.2, 1.1, 2.5, 6, 16)[rand 5]);
    my @kind = (
        ['zeros', sub { 0 }],
        ['a constant', sub { 7.25 }],
        ['the largest', sub { 1e15 }],
        ['the smallest', sub { 1e-300 }],
        ['of all sizes', sub { sprintf '%.4g', 10 ** (rand(30) - 15) }],
        ['one spike', sub { $_[0] == int($n / 2) ? 1e14 : 3 }],
        ['rare ones', sub { rand() < 0.02 ? 1 : 0 }],
        ['mostly gaps', sub { rand() < 0.9 ? undef : int(rand 100) }],
        ['a gap at the end', sub { $_[0] > $n * 0.7 ? undef
                                   : sprintf '%.3f', 5 + rand }],
        ['one value', sub { $_[0] == 3 ? 5 : undef }],
        ['a jump', sub { $_[0] < $n * 0.8 ? 1 + rand : 1e9 * (1 + rand) }],
        ['steeply up', sub { sprintf '%.6g', 1e-6 * 1.02 ** $_[0] > 1e14
                             ? 1e14 : 1e-6 * 1.02 ** $_[0] }],
        ['outage', sub { $_[0] > $n * 0.85 ? 0
                         : sprintf '%.3f', rhythm($_[0], 86400 / $step, 9) }],
        ['negative ones', sub { sprintf '%.4g', -1e6 * rand }],
        ['both signs', sub { sprintf '%.4g', 1e15 * (rand() - 0.5) }],
        ['a rhythm', sub { sprintf '%.4g', rhythm($_[0], 86400 / $step, 1) }],
    );
    my ($what, $value) = @{ $kind[rand @kind] };

    return ("$what, $n steps of $step s", $step, map { $value->($_) }
                                                 0 .. $n - 1);
}


# lines "mean,q0.05,q0.1,q0.5,q0.9,q0.95"

sub bad {
    my ($least, @line) = @_;

    for my $line (grep { !/mean/ } @line) {
        chomp $line;
        my @v = split /,/, $line;

        return "not numbers: $line"
            if grep { !/^-?\d+(\.\d+)?(e[-+]\d+)?$/ } @v;
        return "negative: $line" if $least >= 0 && min(@v) < 0;
        return "not in order: $line"
            if grep { $v[$_] < $v[$_ - 1] } 2 .. 5;
        return "not at the median: $line" if $v[0] != $v[3];
    }

    return '';
}


sub keep {
    my ($bad, $what, $text) = @_;

    diag("$what: $bad");
    diag('the series begins: ' . substr($text, 0, 200));
}
