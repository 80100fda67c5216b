#!/usr/bin/perl

# The backtest command: its figures against the same ones computed here from
# its rows (and by the benchmark's own script where that is at hand), what it
# says about bad files and bad use, other tools' rows, and pictures.

use warnings;
use strict;

use JSON::PP;
use List::Util qw/ max sum /;
use Test::More;

use ShardTest::Predictor;

plan skip_all => "no $program (run make)" unless -x $program;

my $start = 1704067200;

my $seed = $ENV{TAP_SEED} || 1 + int(rand(1e9));
diag("TAP_SEED=$seed");
srand($seed);

# series of the kinds there are; a name, seconds, values

my %kinds = (
    hourly => [3600, map { rhythm($_, 24, 400) + 20 * noise() } 0 .. 1399],
    gaps => [1800, map { $_ % 97 < 4 ? undef
                         : rhythm($_, 48, 90) + 5 * noise() } 0 .. 1499],
    nights => [3600, map { $_ % 24 < 8 ? 0 : int(rhythm($_, 24, 30)) }
                     0 .. 999],
    rare => [3600, map { rand() < 0.1 ? 1 + int(rand(9)) : 0 } 0 .. 999],
    shift => [3600, map { ($_ < 800 ? 1 : 6) * rhythm($_, 24, 50) }
                    0 .. 1099],
    minutes => [60, map { rhythm($_, 1440, 50) + noise() } 0 .. 6999],
);

for my $name (sort keys %kinds) {
    my ($step, @y) = @{ $kinds{$name} };
    put("$dir/$name.csv", $name eq 'hourly' ? "timestamp,value\r\n" : '',
        map { sprintf "%d,%s%s", $start + $_ * $step,
              defined $y[$_] ? sprintf('%.6g', max($y[$_], 0)) : '',
              $name eq 'hourly' ? "\r\n" : "\n" } 0 .. $#y);
}

my @files = map { "$dir/$_.csv" } sort keys %kinds;
my $named = join ',', my @models = qw/ combined naive-day lagreg spar level /;


###############################################################################
# the figures, and the same ones from the rows

my ($status, $out, $err) = run('backtest', '--models', $named, '--json',
                               '--csv', "$dir/rows", @files);
is($status, 0, 'six series');
is($err, '', 'nothing to complain about, no progress where it is no terminal');

my $json = eval { decode_json($out) } || {};
my %model = map { $_->{model} => $_ } @{ $json->{models} };
my %file = map { $_->{series} => $_ } @{ $json->{files} };

is(join(',', sort keys %model), join(',', sort @models), 'the models asked');
is(join(',', sort keys %file), join(',', sort keys %kinds), 'the series');
is($file{gaps}{interval_s}, 1800, 'the interval is found in the file');
is($file{minutes}{horizon}, 60, 'an hour ahead by the minute');
is($file{minutes}{history}, 7000, 'all of the history where it is short');
is(join(',', @{ $file{hourly}{seasons} }), '24,168', 'seasons of an hour');
is(scalar @{ $file{rare}{origins} }, 12, 'twelve origins');
ok(!exists $file{minutes}{models}{combined}{'24h'}, 'no day in an hour');
is($model{'naive-day'}{bands}{'24h'}{relMAE}, 1, 'naive-day is the measure');
cmp_ok($model{combined}{bands}{'24h'}{relMAE}, '<', 1, 'it is beaten');
cmp_ok($model{combined}{fit_s}, '>', 0, 'fits take time');

for my $name (@models) {
    my $rows = rows("$dir/rows/$name.csv");
    my ($wrong, $compared) = (0, 0);

    for my $series (sort keys %kinds) {
        my $shown = $file{$series}{models}{$name};

        for my $band (sort keys %$shown) {
            my $mine = scores($file{$series}, $kinds{$series},
                              $rows->{$series}, $band);

            for my $figure (sort keys %$mine) {
                my $off = abs($mine->{$figure} - $shown->{$band}{$figure});
                next if $compared++ < 0 || $off <= 1e-5
                                           * max(1, abs $mine->{$figure});
                diag("$name, $series, $band: $figure is "
                     . "$shown->{$band}{$figure}, of the rows "
                     . $mine->{$figure});
                $wrong++;
            }
        }
    }

    is($wrong, 0, "$name: $compared figures are those of its rows");
    cmp_ok($compared, '>', 40, "$name: scored");
}

# an error below a thousandth of the scale counts as a thousandth

my $relative = exp(sum(map { log(max(0.001, $_->{combined}{'1h'}{MASE})
                                 / max(0.001, $_->{'naive-day'}{'1h'}{MASE}))
                       } map { $file{$_}{models} } keys %kinds) / keys %kinds);
cmp_ok(abs($relative - $model{combined}{bands}{'1h'}{relMAE}), '<', 1e-6,
       'relMAE is a geometric mean');

my @one = run('backtest', '--models', $named, '--json', '--threads', 1,
              @files);
my $single = decode_json($one[1]);
is(encode($single->{files}), encode($json->{files}),
   'one thread gives the same figures');


###############################################################################
# the table

($status, $out, $err) = run('backtest', '--models', $named, @files);
is($status, 0, 'the table');
like($out, qr/^72 origins of 6 series in [\d.]+ s on \d+ thread/m, 'head');
like($out, qr/^1 step .*^1 h .*^24 h /ms, 'a table for each band');
like($out, qr/^combined +6 +0\.\d{3} +\d/m, 'a line for each model');
like($out, qr/^loses to naive-day at 24 h: .*level \(\d/m,
     'a model that loses is said to');
like($out, qr/^combined is worst at 24 h on: \w+ \d\.\d{3}, /m, 'the worst');

my @shown = $out =~ /^combined +\d+ +([\d.]+) +([\d.]+)/mg;
is(join(' ', @shown),
   join(' ', map { my $b = $model{combined}{bands}{$_};
                   sprintf('%.3f', $b->{relMAE}), sprintf('%.3f', $b->{MASE})
                 } '1step', '1h', '24h'), 'with the same figures');

($status, $out) = run('backtest', "$dir/hourly.csv", '--models', 'combined',
                      '--horizon', 48, '--origins', 5, '--days', 21,
                      '--season', '24,168');
like($out, qr/^hourly: 1400 values at 3600 s, 0 gaps; season 24 and 168 /,
     'one series is described');
like($out, qr/^forecasts of 48 steps from up to 504 steps/m, 'as asked');
like($out, qr/^5 origins of 1 series/m, 'five origins');
like($out, qr/^whole horizon .*\ncombined/m, 'a band of the whole horizon');

($status, $out) = run('backtest', '--origins', 1, "$dir/hourly.csv");
like($out, qr/^naive-week /m, 'every model there is, unless told otherwise');


###############################################################################
# many series in one file

put("$dir/wide.csv", "epoch,one,t\"wo\n",
    map { sprintf "%d,%.5g,%.5g\n", $start + 3600 * $_, rhythm($_, 24, 9),
          rhythm($_, 24, 400) + 3 * noise() } 0 .. 599);

($status, $out) = run('backtest', '--models', 'combined', '--json',
                      "$dir/wide.csv");
is($status, 0, 'a file of two series');
is(join(',', map { $_->{series} } @{ decode_json($out)->{files} }),
   'wide.one,wide.t_wo', 'named by the columns');


###############################################################################
# rows of other tools

($status, $out) = run('backtest', '--models', 'naive-day', '--json', '--also',
                      "$dir/rows/spar.csv", @files);
my ($also) = grep { $_->{model} eq 'spar' } @{ decode_json($out)->{models} };
ok($also->{rows}, 'rows are scored beside the models');
is($also->{bands}{$_}{relMAE}, $model{spar}{bands}{$_}{relMAE},
   "as the model that made them: $_") for '1step', '1h', '24h';

my @few = grep { /^series/ || /^hourly,(\d+)/ && $1 < 1150 } do {
    open(my $f, '<', "$dir/rows/lagreg.csv") or die; <$f> };
put("$dir/few.csv", @few);

($status, $out) = run('backtest', '--models', 'combined,lagreg', '--json',
                      '--only', "$dir/few.csv", '--also', "$dir/few.csv",
                      @files);
$json = decode_json($out);
is($json->{series}, 1, 'only the series that the rows have');
is(scalar @{ $json->{files}[0]{origins} },
   scalar(keys %{{ map { (split /,/)[1] => 1 } @few[1 .. $#few] }}),
   'only their origins');
is(encode($json->{files}[0]{models}{few}),
   encode($json->{files}[0]{models}{lagreg}), 'scored alike');

for my $case (
    ['', 'line 1, column 1: the first line is not', 'x,y'],
    ['rows', 'line 2, column 13: a number is expected', 'hourly,1050,x'],
    ['rows', 'line 2, column 19: a number is expected',
     'hourly,1050,0.1,1,nan,1,1,1,1,1'],
    ['rows', 'line 2, column \d+: a comma', 'hourly,1050,0.1,1,1,1,1'],
    ['rows', 'line 2, column 8: the origin or', 'hourly,-4,0.1,1' . ',1' x 6],
    ['rows', 'no row is of the series', 'other,1050,0.1,1' . ',1' x 6],
) {
    put("$dir/bad-rows.csv", $case->[0] ? $few[0] : (), "$case->[2]\n");
    ($status, $out, $err) = run('backtest', '--also', "$dir/bad-rows.csv",
                                "$dir/hourly.csv");
    is($status, 2, "rows: $case->[1]: exit status");
    like($err, qr/bad-rows\.csv: $case->[1]/, "rows: $case->[1]: message");
}


###############################################################################
# bad files: named with line and column, the others are tested all the same

my $ok = "$dir/hourly.csv";
my @lines = do { open(my $f, '<', $ok) or die; <$f> };

for my $case (
    ['cut', join('', @lines[0 .. 90]), 'too little history: .* 96 steps'],
    ['tiny', join('', @lines[0 .. 20]), 'too little history: a season of 24'],
    ['one', join('', @lines[0 .. 1]), 'too little history: 1 step'],
    ['empty', '', 'too little history: 0 steps'],
    ['none', join('', map { s/,.*/,/r } @lines), 'no value in the 1050'],
    ['text', join('', @lines[0 .. 9], "soon,1\n"), 'line 11, column 1: an e'],
    ['value', join('', @lines[0 .. 9], "1704099600,12x\n"),
     'line 11, column 14: the value is not a number'],
    ['twice', join('', @lines[0 .. 9, 9]), 'line 11, column 1: time does not'],
    ['back', join('', @lines[0 .. 9, 5]), 'line 11, column 1: time does not'],
    ['ragged', join('', @lines[0 .. 9], "1704100000,1\n"),
     'line 11, column 1: irregular step: 4000 s'],
    ['odd', join('', map { (7000 * $_) . ",1\n" } 1 .. 900), '--season'],
) {
    put("$dir/$case->[0].csv", $case->[1]);

    ($status, $out, $err) = run('backtest', '--models', 'level',
                                "$dir/$case->[0].csv", $ok);
    is($status, 2, "$case->[0]: exit status");
    like($err, qr/^shard-predictor: \Q$dir\E\/$case->[0]\.csv: .*$case->[2]/,
         "$case->[0]: what and where");
    like($err, qr/^shard-predictor: 1 of 2 files left out/m, 'told at the end');
    like($out, qr/^level +1 /m, "$case->[0]: the other one is tested");
}

($status, $out, $err) = run('backtest', "$dir/no-such.csv");
is($status, 2, 'a file that is not there');
like($err, qr/no-such\.csv: No such file/, 'which is said');
like($err, qr/none of 1 file is a series/, 'and that nothing is left');
is($out, '', 'no table of nothing');

mkdir "$dir/other";
put("$dir/other/hourly.csv", @lines);
($status, $out, $err) = run('backtest', $ok, "$dir/other/hourly.csv");
is($status, 2, 'two series of one name');
like($err, qr/two series are named "hourly"/, 'which is said');


###############################################################################
# bad use

for my $case (
    [[], 'backtest needs a file'],
    [[$ok, '--models', 'lagreg,prophit'], '--models "prophit" is unknown'],
    [[$ok, '--models', 'level,level'], 'model level is given twice'],
    [[$ok, '--models', ''], '--models "" is unknown'],
    [[$ok, '--threads', 'two'], '--threads "two": a number from 1'],
    [[$ok, '--threads', '0'], '--threads "0": a number from 1'],
    [[$ok, '--origins', '400'], '--origins "400": a number from 1 to 366'],
    [[$ok, '--season', '24,100'], 'must be a multiple of the first'],
    [[$ok, '--season', '2000'], 'a season of 2000 steps is too long for 1400'],
    [[$ok, '--horizon', '500'], 'or say a shorter --horizon'],
    [[$ok, '--interval', '1800', '--horizon', 3], 'none of 1 file', 1],
    [[$ok, '--modles', 'level'], 'nearest is --models'],
    [[$ok, '--plot'], '--plot needs a value'],
    [[$ok, '--also', "$dir/nowhere.csv"], 'nowhere.csv: No such file'],
) {
    ($status, $out, $err) = run('backtest', @{ $case->[0] });

    if ($case->[2]) {
        # half-hours with every other one left out: a series all the same
        is($status, 0, 'an interval half the real one');
        next;
    }

    is($status, 2, "$case->[1]: exit status");
    like($err, qr/\Q$case->[1]\E/, "$case->[1]: message");
    is($out, '', "$case->[1]: nothing is printed");
}

($status, $out) = run('backtest', '--help');
is($status, 0, '--help');
like($out, qr/^usage: shard-predictor backtest.*Models: combined level/s,
     'usage, models');

for my $where ("$dir/no/rows", "$dir/no/rows.csv") {
    ($status, $out, $err) = run('backtest', '--models', 'level', '--csv',
                                $where, $ok);
    is($status, 1, 'rows that cannot be written');
    like($err, qr/--csv: cannot (write|make the folder) \Q$where\E/, 'where');
}


###############################################################################
# pictures

SKIP: {
    skip 'no gnuplot', 8 if !grep { -x "$_/gnuplot" } split /:/, $ENV{PATH};

    ($status, $out, $err) = run('backtest', '--models', 'level', '--plot',
                                "$dir/it's.png", @files);
    is($status, 0, 'a picture of a backtest');
    is($err, '', 'gnuplot does not complain');
    is(head("$dir/it's.png"), "\x89PNG", 'is a PNG');

    put("$dir/in", @lines);
    ($status, $out, $err) = run_with("$dir/in", 'forecast', '--interval',
                                     3600, '--plot', "$dir/f.png");
    is("$status $err", '0 ', 'a picture of a forecast');
    is(head("$dir/f.png"), "\x89PNG", 'is a PNG');
    like($out, qr/^h,mean/, 'the figures are printed all the same');

    ($status, $out, $err) = run('backtest', '--models', 'level', '--plot',
                                "$dir/no/p.png", $ok);
    is($status, 1, 'a picture that cannot be written');
    like($err, qr/--plot: cannot write ".*no\/p.png": No such/, 'where');
}


###############################################################################
# on a terminal it tells how far it is

SKIP: {
    skip 'no script command', 2
        if !grep { -x "$_/script" } split /:/, $ENV{PATH};

    my $shown = `script -qec "$program backtest --models combined,spar --origins 30 @files >$dir/table" /dev/null </dev/null`;
    like($shown, qr/\[#*\.*\] +\d+ %  \d+ of 180 origins, [\d.]+\/s, \d/,
         'a bar, how fast, how long still');
    like($shown, qr/\r\e\[K\z/, 'which is gone at the end');
}


###############################################################################
# the benchmark of the field's methods, on series of this test

SKIP: {
    my $script = "$top/../shared/forecast-bench/score.py";
    my $python = (grep { -x && !system("$_ -c 'import numpy' 2>/dev/null") }
                  '/usr/bin/python3')[0];

    skip "no $script or no numpy", 3 if !-r $script || !$python;

    mkdir "$dir/theirs";
    mkdir "$dir/series";
    put("$dir/series/MANIFEST.csv", "file,interval_s\n",
        map { "$_.csv,$kinds{$_}[0]\n" } sort keys %kinds);

    for my $name (keys %kinds) {
        my ($step, @y) = @{ $kinds{$name} };
        put("$dir/series/$name.csv", "timestamp,value\n",
            map { sprintf "%d,%s\n", $start + $_ * $step,
                  defined $y[$_] ? sprintf('%.6g', max($y[$_], 0)) : '' }
            0 .. $#y);
    }

    my @their = map { "$dir/series/$_.csv" } sort keys %kinds;
    ($status, $out, $err) = run('backtest', '--models',
                                'combined,naive-day,level', '--csv',
                                "$dir/theirs", @their);
    is("$status $err", '0 ', 'forecasts for it');
    rename "$dir/theirs/naive-day.csv", "$dir/theirs/snaive_day.csv";

    my $table = `FORECAST_TRACES=$dir/series FORECAST_OUT=$dir/theirs $python $script table`;
    my $theirs = join "\n", map { s/snaive_day/naive-day/r }
        map { join ' ', (split /\|/)[1 .. 10] }
        grep { /^\|(combined|level|snaive_day)\|/ } split /\n/, $table;
    my $ours = join "\n", map { my @f = split; join ' ', @f[0 .. 9] }
        grep { /^(combined|level|naive-day) +\d/ } split /\n/, $out;

    # percentages have three digits there and two here; one above 10^13, of a
    # series that the naive method has exactly, has no third digit
    my @t = map { [split] } split /\n/, $theirs;
    my @o = map { [split] } split /\n/, $ours;
    my $off = 0;

    for my $i (0 .. max($#t, $#o)) {
        for my $k (0 .. 9) {
            my ($a, $b) = ($t[$i][$k] // '-', $o[$i][$k] // '-');
            next if $a eq $b;
            next if $k > 1 && $a =~ /\d/ && $b =~ /\d/
                    && abs($a - $b) < ($k == 4 || $k == 5 ? 0.0056 : 0.0011)
                                      + 2 ** -51 * abs($a);
            diag("line $i, field $k: $a there, $b here");
            $off++;
        }
    }

    is(scalar @t, 9, 'three methods in three bands');
    is($off, 0, 'the same figures, but for how the last digit is rounded');
}

done_testing();

###############################################################################


# the protocol's figures of one model on one series, written down plainly

sub scores {
    my ($file, $kind, $rows, $band) = @_;

    my ($step, @y) = @$kind;
    @y = map { defined $_ ? sprintf('%.6g', max($_, 0)) : undef } @y;
    my $day = 86400 / $step;
    my $test = int(@y / 4);
    my @before = map { defined $y[$_] && defined $y[$_ - $day]
                       ? abs($y[$_] - $y[$_ - $day]) : () }
                 $day .. $#y - $test;
    my $scale = sum(@before) / @before;
    my $steps = $band eq '1step' ? 1 : $band eq '1h' ? max(1, 3600 / $step)
                                                     : $day;
    my (@e, @came, @s, @in, %pin);

    for my $origin (@{ $file->{origins} }) {
        for my $h (1 .. $steps) {
            my $came = $y[$origin + $h - 1];
            next unless defined $came;

            my ($mean, $low, undef, @q) = @{ $rows->{$origin}[$h - 1] };
            push @e, abs($came - $q[0]);
            push @came, abs($came);
            push @s, $came || $q[0] ? $e[-1] / (abs($came) + abs($q[0])) : 0;
            push @in, $came >= $low && $came <= $q[2] ? 1 : 0;

            for my $i (0 .. 2) {
                my $q = (0.5, 0.9, 0.95)[$i];
                my $d = $came - $q[$i];
                push @{ $pin{'PB' . 100 * $q} }, max($q * $d, ($q - 1) * $d);
            }
        }
    }

    return { MASE => sum(@e) / @e / $scale, sMAPE => 200 * sum(@s) / @s,
             WAPE => 100 * sum(@e) / max(sum(@came), 1e-12),
             COV90 => sum(@in) / @in,
             map { $_ => sum(@{ $pin{$_} }) / @e / $scale } keys %pin };
}


# {series}{origin}[h - 1] = [mean, quantiles]

sub rows {
    my ($path) = @_;
    my %rows;

    open(my $f, '<', $path) or die "$path: $!\n";

    while (my $line = <$f>) {
        chomp $line;
        my ($series, $origin, $seconds, $h, @v) = split /,/, $line;
        $rows{$series}{$origin}[$h - 1] = \@v if $. > 1;
    }

    return \%rows;
}


sub encode {
    return JSON::PP->new->canonical->encode($_[0]);
}


sub head {
    my ($path) = @_;

    open(my $f, '<', $path) or return '';
    binmode $f;
    read $f, my $bytes, 4;

    return $bytes;
}
