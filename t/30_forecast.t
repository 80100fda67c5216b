#!/usr/bin/perl

# The forecast command: what it prints, every bad input with its message and
# exit status, and, where real series are at hand, that it beats the seasonal
# naive method on them.

use warnings;
use strict;

use JSON::PP;
use List::Util qw/ max sum /;
use Test::More;

use ShardTest::Predictor;

plan skip_all => "no $program (run make)" unless -x $program;

my @hourly = ('--interval', 3600, '--season', '24,168', '--horizon', 24);


###############################################################################
# what it prints

my $wave = series(3600, 21 * 24, sub { 100 + 50 * wave($_[0], 24) });

my ($status, $out, $err) = forecast($wave, @hourly,
                                    '--quantiles', '0.05,0.1,0.5,0.9,0.95');
my @lines = split /\n/, $out;

is($status, 0, 'three weeks by the hour');
is($err, '', 'nothing to complain about');
is($lines[0], 'h,mean,q0.05,q0.1,q0.5,q0.9,q0.95', 'header of the quantiles');
is(scalar @lines, 25, 'a line for each step');
is(join(',', map { (split /,/)[0] } @lines[1 .. 24]), join(',', 1 .. 24),
   'steps are counted from 1');

my $off = max(map { my @f = split /,/, $lines[$_];
                    abs($f[1] - (100 + 50 * wave($_ - 1, 24))) } 1 .. 24);
cmp_ok($off, '<', 2, 'a rhythm goes on');

my $again = (forecast($wave, @hourly, '--quantiles',
                      '0.05,0.1,0.5,0.9,0.95'))[1];
is($again, $out, 'the same input gives the same bytes');

($status, $out, $err) = forecast($wave, '--interval=3600');
@lines = split /\n/, $out;
is($lines[0], 'h,mean,q0.1,q0.5,q0.9,q0.95', 'default quantiles');
is(scalar @lines, 25, 'default horizon: a day');

($status, $out, $err) = forecast($wave, @hourly, '--quantiles', '.90,0.50');
is((split /\n/, $out)[0], 'h,mean,q.90,q0.50', 'columns named as given');

for my $case (['combined', 'combined'], ['naive', 'naive-day'],
              ['lagreg', 'lagreg'], ['lagreg-raw', 'lagreg-raw'],
              ['lagreg-fresh', 'lagreg-fresh'],
              ['naive-week', 'naive-week'])
{
    ($status, $out, $err) = forecast($wave, @hourly, '--json', '--model',
                                     $case->[0]);
    my $json = eval { decode_json($out) } || {};

    is($status, 0, "--json --model $case->[0]");
    is($json->{model}, $case->[1], 'the model used');
    is($json->{n}, 504, 'values seen');
    is($json->{at}, 1704067200 + 503 * 3600, 'when the last of them was');
    is(scalar @{ $json->{forecast} || [] }, 24, 'steps');
    ok(defined $json->{forecast}[23]{'q0.95'}, 'quantiles by name');
}

my $holes = join('', "time,value\r\n",
                 map { /^1704(2|3)\d*7200,/ ? '' : s/\n/\r\n/r }
                 map { /9200,/ ? s/,.*/,/r : $_ } split /^/, $wave);

# a level that has shifted, an outage: named, and not repeated

my $wild = sub { 1 + 0.1 * sin($_[0] * $_[0]) };

($status, $out, $err) = forecast(series(3600, 21 * 24, sub {
    (100 + 50 * wave($_[0], 24)) * $wild->($_[0]) * ($_[0] < 480 ? 1 : 3)
}), @hourly, '--json');

my $shifted = decode_json($out);
is($shifted->{shifts}[0]{since}, 1704067200 + 480 * 3600, 'when it shifted');
cmp_ok(abs($shifted->{shifts}[0]{factor} - 3), '<', 0.3, 'how much');
cmp_ok($shifted->{forecast}[23]{mean}, '>', 120, 'and it lasts');
ok(!exists $shifted->{outages}, 'no outage');

($status, $out, $err) = forecast(series(3600, 21 * 24, sub {
    $_[0] >= 484 && $_[0] < 487 ? 0
    : (100 + 50 * wave($_[0], 24)) * $wild->($_[0])
}), @hourly, '--json');

my $outage = decode_json($out);
is($outage->{outages}[0]{from}, 1704067200 + 484 * 3600, 'an outage');
is($outage->{outages}[0]{to}, 1704067200 + 487 * 3600, 'and its end');
cmp_ok($outage->{forecast}[5]{mean}, '>', 40, 'is not said to come again');
ok(!exists $outage->{shifts}, 'no shift');

($status, $out, $err) = forecast($holes, @hourly, '--json');
is($status, 0, 'a header, carriage returns, gaps, and steps left out');
is(decode_json($out)->{n}, 504, 'steps left out are steps');
cmp_ok(decode_json($out)->{gaps}, '>', 5, 'and count as gaps');

# what other programs write

my $plain = (forecast($wave, @hourly))[1];

for my $case (
    ['an order mark, a header, empty lines at the end',
     "\xef\xbb\xbf\"time\",\"value\"\n$wave\n \t\r\n"],
    ['no line feed at the end', $wave =~ s/\n\z//r],
    ['blanks around', $wave =~ s/^(\d+),(.*)$/ $1 ,\t$2 /mgr],
    ['seconds with a fraction of zero', $wave =~ s/^(\d+)/$1.0/mgr],
) {
    ($status, $out, $err) = forecast($case->[1], @hourly);
    is($status, 0, $case->[0]) or diag($err);
    is($out, $plain, "$case->[0]: the same forecast");
}

my @gaps = map { my $text = $_; my $i = 0;
                 join '', map { $i++ % 50 == 7 ? s/,.*/,$text/r : $_ }
                          split /^/, $wave } '', qw/ NaN nan NA null /;
my @with = map { (forecast($_, @hourly))[1] } @gaps;

is($with[$_], $with[0], 'a gap by another word') for 1 .. $#with;


###############################################################################
# too little history

my @by = (['level', 20], ['naive-day', 40]);

for my $case (@by) {
    my $short = join '', (split /^/, $wave)[0 .. $case->[1] - 1];

    ($status, $out, $err) = forecast($short, @hourly);
    is($status, 0, "$case->[1] hours: a forecast");
    like($err, qr/model $case->[0] had to do: $case->[1] steps \(\d\.\d days\)/,
         'and what it is worth');

    ($status, $out, $err) = forecast($short, @hourly, '--model', 'lagreg');
    is($status, 2, "$case->[1] hours are too little for lagreg");
    like($err, qr/too little history for model lagreg/, 'which is said');
    is($out, '', 'nothing is printed');
}

($status, $out, $err) = forecast('', @hourly);
is($status, 2, 'nothing on standard input');
like($err, qr/too little history: no value in 0 steps/, 'which is said');

($status, $out, $err) = forecast("1704067200,\n1704070800,\n", @hourly);
is($status, 2, 'gaps only');
like($err, qr/too little history: no value in 2 steps/, 'which is said');


###############################################################################
# bad series: status 2, the line, the column and why

for my $case (
    ["1704067200,1\nx,2\n", 'line 2, column 1: an epoch in seconds'],
    ["1704067200,1\n,2\n", 'line 2, column 1: an epoch in seconds'],
    ["1704067200,1\n-1704070800,2\n", 'line 2, column 1: an epoch in sec'],
    ["1704067200,1\n\n1704070800,1\n", 'line 2, column 1: an empty line'],
    ["1704067200 1\n", 'line 1, column 12: a comma is missing'],
    ["1704067200;1\n", 'line 1, column 11: a comma is missing'],
    ["1704067200\n", 'line 1, column 11: a comma is missing'],
    ["1704067200.5,1\n", 'line 1, column 12: a comma is missing'],
    ["17040672000000,1\n", 'line 1, column 13: the epoch has too many'],
    ["2024-01-01 00:00:00,1\n", 'line 1, column 5: dates are not read: make'],
    ["1704067200,1\n1704070800,1.5x\n", 'line 2, column 15: the value is not'],
    ["1704067200,inf\n", 'line 1, column 12: the value is not a number'],
    ["1704067200,-Infinity\n", 'line 1, column 13: the value is not a numb'],
    ["1704067200,0x10\n", 'line 1, column 13: the value is not a number'],
    ["1704067200,1 2\n", 'line 1, column 13: the value is not a number'],
    ["1704067200,\"1\"\n", 'line 1, column 12: the value is not a number'],
    ["1704067200,1-\n", 'line 1, column 13: the value is not a number'],
    ["1704067200,1,2\n", 'line 1, column 13: more than one value'],
    ["1704067200,1\n1704070800,1,2\n",
     'line 2, column 13: more than one value'],
    ["1704067200,1e16\n", 'line 1, column 12: the value is beyond 1e15'],
    ["1704067200,1e999\n", 'line 1, column 12: the value is beyond 1e15'],
    ["1704067200,1\n1704067200,1\n",
     'line 2, column 1: time does not grow: the same .*keep one'],
    ["1704067200,1\n1704063600,1\n",
     'line 2, column 1: time does not grow: .*sort the lines'],
    ["1704067200,1\n1704067500,1\n1704067800,2\n",
     'line 2, column 1: irregular step: 300 s .* interval of 3600 s; '
     . 'is --interval 300 meant\?'],
    ["1704067200,1\n1704070800,1\n1704074401,2\n1704078000,2\n",
     'line 3, column 1: irregular step: 3601 s .* interval of 3600 s$'],
    ["0,1\n36000000000,1\n", 'line 2, column 1: the gap before this line'],
    ["1704067200," . '1' x 200 . "\n", 'line 1, column 12: the value is lon'],
    ["1704067200,1\0\n", 'line 1, column 13: a zero byte'],
    ["\0", 'line 1, column 1: a zero byte'],
) {
    ($status, $out, $err) = forecast($case->[0], @hourly);
    is($status, 2, "$case->[1]: exit status");
    is($out, '', "$case->[1]: nothing is printed");
    like($err, qr/standard input, $case->[1]/, "$case->[1]: message");
}

($status, $out, $err) = run_with('/', 'forecast', @hourly);
is($status, 1, 'standard input that cannot be read');
like($err, qr/reading failed after 0 bytes/, 'which is said');


###############################################################################
# bad use: status 2, what and the way out

for my $case (
    [['--interval', 0], '--interval "0": a number from 1 to 604800'],
    [['--interval', '3e2'], '--interval "3e2": a number from 1'],
    [['--interval', 7000], 'a day is no multiple of --interval 7000; say'],
    [['--season', '24'], '--interval is missing'],
    [[@hourly, '--season', '24,100'], 'must be a multiple of the first'],
    [[@hourly, '--season', ',24'], '--season "": a number from'],
    [[@hourly, '--season', '24,'], '--season "": a number from'],
    [[@hourly, '--horizon', '-1'], '--horizon "-1": a number from 1'],
    [[@hourly, '--horizon', '10081'], 'a number from 1 to 10080'],
    [[@hourly, '--quantiles', '0.1,1'], '"1" is not a number between 0'],
    [[@hourly, '--quantiles', '0.1,,0.2'], '"" is not a number between 0'],
    [[@hourly, '--quantiles', '0.1,nan'], '"nan" is not a number'],
    [[@hourly, '--quantiles', '0.1,.1'], '.1 twice'],
    [[@hourly, '--quantiles', join(',', map { $_ / 100 } 1 .. 17)],
     'more than 16'],
    [[@hourly, '--model', 'lagregg'], 'is unknown, nearest is lagreg'],
    [[@hourly, '--model', 'prophet'], 'there are combined, naive'],
    [[@hourly, '--horizn', '3'], 'option "--horizn", nearest is --horizon'],
    [[@hourly, '--model'], '--model needs a value'],
    [[@hourly, 'file.csv'], 'unexpected "file.csv": the series is read from'],
) {
    ($status, $out, $err) = forecast($wave, @{ $case->[0] });
    is($status, 2, "$case->[1]: exit status");
    like($err, qr/\Q$case->[1]\E/, "$case->[1]: message");
}

($status, $out, $err) = run_with('/dev/null', 'forcast');
is($status, 2, 'a misspelt command');
like($err, qr/unknown command "forcast", nearest is "forecast"/, 'nearest');

($status, $out, $err) = run_with('/dev/null');
is($status, 2, 'no command');
like($err, qr/^usage: /, 'usage on standard error');

for my $help (['--help'], ['forecast', '--help']) {
    ($status, $out, $err) = run_with('/dev/null', @$help);
    is($status, 0, "@$help");
    like($out, qr/^usage: shard-predictor/, 'usage');
    like($out, qr/naive-day naive-week/, 'models by their names')
        if @$help > 1;
}

($status, $out, $err) = run_with('/dev/null', '--version');
like($out, qr/^shard-predictor \d+\.\d+\.\d+$/, '--version');

($status, $out, $err) = run_with('/dev/null', '-c');
is($status, 2, '-c without a file');


###############################################################################
# real series: mean absolute error of a day, relative to the day before

SKIP: {
    my $traces = "$top/../shared/traces";
    my @names = qw/ wc98_5min nab_nyc_taxi wiki_total_rps /;

    skip "no $traces", scalar @names + 1
        if grep { !-r "$traces/$_.csv" } @names;

    my @relative = map { relative("$traces/$_.csv") } @names;

    cmp_ok($relative[$_], '<', 1, sprintf('%s: %.3f of the naive error',
                                          $names[$_], $relative[$_]))
        for 0 .. $#names;

    my $mean = exp(sum(map { log } @relative) / @relative);
    cmp_ok($mean, '<', 0.75, sprintf('on average %.3f of it', $mean));
}

done_testing();

###############################################################################


sub wave {
    my ($i, $day) = @_;

    return -cos(2 * 3.14159265358979 * $i / $day);
}


sub series {
    my ($interval, $n, $value) = @_;

    return join '', map { sprintf "%d,%.6g\n", 1704067200 + $_ * $interval,
                                  $value->($_) } 0 .. $n - 1;
}


sub forecast {
    my ($text, @args) = @_;

    put("$dir/in", $text);
    return run_with("$dir/in", 'forecast', @args);
}


# over four origins in the last quarter

sub relative {
    my ($file) = @_;

    open(my $f, '<', $file) or die "$file: $!\n";
    my @line = <$f>;
    shift @line;

    my @y = map { /,(.+)$/ ? $1 : undef } @line;
    my ($one, $two) = map { /^(\d+)/ } @line[0, 1];
    my $interval = $two - $one;
    my $day = 86400 / $interval;
    my ($ours, $naive) = (0, 0);

    for my $k (0 .. 3) {
        my $origin = int(@y * 0.75 + $k * (@y * 0.25 - $day - 7) / 3);
        my $from = max(0, $origin - 28 * $day);

        my ($code, $text) = forecast(join('', @line[$from .. $origin - 1]),
                                     '--interval', $interval);
        die "$file: exit status $code\n" if $code;

        my @point = map { (split /,/)[1] } split /\n/, $text;

        for my $h (1 .. $day) {
            my ($truth, $before) = @y[$origin + $h - 1,
                                      $origin + $h - 1 - $day];
            next unless defined $truth && defined $before;

            $ours += abs($point[$h] - $truth);
            $naive += abs($before - $truth);
        }
    }

    return $ours / $naive;
}
