#!/usr/bin/perl

# The simulate command: nodes that fail, events, cuts, forecasts that are
# kept, fewest nodes, pictures, the scenarios that come with the program; bad
# scenarios, bad files and bad use.

use warnings;
use strict;

use Test::More;

use ShardTest::Predictor;
use ShardTest::Simulate;

plan skip_all => "no $program (run make)" unless -x $program;

my $seed = $ENV{TAP_SEED} || 1 + int(rand(1e9));
diag("TAP_SEED=$seed");
srand($seed);

# six hours of three shards on three nodes of 10, an hour of them history

fleet("$dir/flat.csv", ['a', 'b', 'c'], map { [6, 5, 5] } 0 .. 71);

my $flat = <<'EOF';
fleet: flat.csv
history: 1h
tune: 0s
nodes:
  count: 3
  zones: 3
  capacity: 10
EOF


###############################################################################
# a node fails for two hours: a is served by n1, where there are 11 then, and
# stays there

put("$dir/failed.yaml", $flat . "failures:\n  - n0 at 2h for 2h\n");
my $f = simulate("$dir/failed.yaml", '--policy', 'static', '--moves',
                 "$dir/failed.csv")->{policies}{static};

is($f->{promotions}, 1, 'one standby takes over');
is($f->{violation_seconds}, 4 * 3600, 'overloaded until the end');
is($f->{node_hours}, 3 * 5 - 2, 'a node that is down is not paid for');
is(slurp("$dir/failed.csv"), "decided,start,commit,shard,from,to,what\n"
   . join(',', ($start + 7200) x 3, 'a', 'n0', 'n1', 'promotion') . "\n",
   'it is among the moves');

$f = simulate("$dir/failed.yaml", '--policy', 'reactive', '--moves',
              "$dir/failed.csv")->{policies}{reactive};
cmp_ok($f->{violation_seconds}, '<', 4 * 3600, 'the planner moves it away');
like(slurp("$dir/failed.csv"), qr/,n1,n\d,move$/m, 'off the node with two');

put("$dir/lost.yaml", $flat . "failures:\n  - n2 at peak for 10d\n");
$f = simulate("$dir/lost.yaml", '--policy', 'static')->{policies}{static};
is($f->{node_hours}, 2 * 5, 'lost at the peak, which is the first step');


###############################################################################
# events

put("$dir/events.yaml", $flat . "events:\n  - x2 at 2h for 1h shards a\n"
    . "  - +30 at 4h for 30m\n  - -9 at 4h for 30m shards b,c unknown\n");
$f = simulate("$dir/events.yaml", '--policy', 'static')->{policies}{static};
is($f->{violation_seconds}, 3600 + 1800,
   'a twice as much; then more of all, and less of two again');
is(sprintf('%.4f', $f->{max_utilisation}), sprintf('%.4f', 0.6 * 46 / 16),
   'what is added is shared by load');


###############################################################################
# cuts: one shard of 12 on nodes of 10 can be helped by nothing else

fleet("$dir/big.csv", ['a', 'b', 'c'], map { [12, 2, 2] } 0 .. 71);
put("$dir/cut.yaml", ($flat =~ s/flat/big/r)
    . "moves:\n  time: 10m\nsplits:\n  allowed: on\n  time: 10m\n"
    . "  above: 0.7\n");
put("$dir/whole.yaml", ($flat =~ s/flat/big/r) . "moves:\n  time: 10m\n");

for my $policy (qw/ reactive oracle /) {
    is(simulate("$dir/whole.yaml", '--policy', $policy)
       ->{policies}{$policy}{violation_seconds}, 5 * 3600,
       "$policy: no move helps");

    $f = simulate("$dir/cut.yaml", '--policy', $policy, '--moves',
                  "$dir/cut.csv")->{policies}{$policy};
    is($f->{splits}, 1, "$policy: one cut");
    cmp_ok($f->{violation_seconds}, '<=', 4 * 300,
           "$policy: and a move of one half is enough");
    like(slurp("$dir/cut.csv"), qr{,a,n0,n0,split\n(?:.*\n)*.*,a/[01],n0,n\d,move$}m,
         "$policy: both are among the moves");
}


###############################################################################
# fewest nodes: told by hand

fleet("$dir/burst.csv", ['a', 'b', 'c'],
      map { [6, $_ >= 24 && $_ < 36 ? 12 : 5, 1] } 0 .. 47);
put("$dir/burst.yaml", "fleet: burst.csv\nhistory: 2h\ntune: 0s\n"
    . "nodes:\n  count: 3\n  capacity: 10\n");

for my $case ([3600, 2], [0, undef], [1e6, 2]) {
    my $nodes = simulate("$dir/burst.yaml", '--policy', 'static',
                         '--fewest-nodes', $case->[0]);
    is($nodes->{policies}{static}{fewest_nodes}, $case->[1],
       "fewest nodes for at most $case->[0] violation-seconds");
}


###############################################################################
# one plan, on nodes that are not alike: 6 of the 8 belong on the one of 6

fleet("$dir/alike.csv", [map { "s$_" } 0 .. 7], map { [(1) x 8] } 0 .. 47);
put("$dir/once.yaml", "fleet: alike.csv\nhistory: 2h\nplan_once: on\n"
    . "nodes:\n  list:\n    - n0 z 6\n    - n1 z 2\n");
my $once = simulate("$dir/once.yaml");
is(sprintf('%.4f', $once->{worst_over_bound}), '1.0000',
   'one plan: nothing better is possible');
is(sprintf('%.4f', $once->{worst_over_bound_before}), '2.0000',
   'the small node had twice as much as it bears');


###############################################################################
# forecasts: kept, taken, and refused where they are of something else

my @days = map { my $t = $_; [map { rhythm($t + 72 * $_, 288, 3 + $_)
                                    + 0.3 * noise() } 0 .. 5] } 0 .. 4 * 288;
fleet("$dir/days.csv", [map { "s$_" } 0 .. 5], @days);
fleet("$dir/other.csv", [map { "s$_" } 0 .. 5], @days[0 .. 3 * 288 + 72],
      map { [map { 30 * rand() } 0 .. 5] } 1 .. 216);

my $days = "fleet: days.csv\nhistory: 3d\ntune: 0s\nnodes:\n  count: 3\n"
           . "  capacity: 16\nmoves:\n  time: 20m\n";
put("$dir/days.yaml", $days);
put("$dir/other.yaml", $days =~ s/days\.csv/other.csv/r);
put("$dir/far.yaml", "${days}planner:\n  horizon: 4h\n");
put("$dir/near.yaml", "${days}planner:\n  horizon: 30m\n");

my @kept = ('--policy', 'predictive', '--forecasts', "$dir/kept");
my $made = simulate("$dir/days.yaml", @kept, '--moves', "$dir/one.csv");
my $size = -s "$dir/kept";
cmp_ok($size, '>', 289 * 6 * 12 * 8, 'forecasts are kept');
cmp_ok($made->{policies}{predictive}{moves}, '>', 0, 'and planned on');

is(figures(simulate("$dir/days.yaml", @kept)), figures($made),
   'the same with those of the file');
is(figures(simulate("$dir/days.yaml", '--policy', 'predictive', '--threads',
                    1)), figures($made), 'and by one thread');

my ($status, $out, $err) = run('simulate', "$dir/far.yaml", @kept);
is($status, 2, 'a longer horizon is not in the file');
like($err, qr/--forecasts \S*kept: they are of another fleet/, 'as it says');
simulate("$dir/near.yaml", @kept);

($status, $out, $err) = run('simulate', "$dir/other.yaml", @kept);
is($status, 2, 'another fleet is not, either');
is(-s "$dir/kept", $size, 'the file is as it was');

open(my $cut, '+<', "$dir/kept") or die;
truncate $cut, 100000;
close $cut;
($status, $out, $err) = run('simulate', "$dir/days.yaml", @kept);
is($status, 2, 'a file that is cut off');
like($err, qr/it is cut off; remove it/, 'as it says');

# two futures of one past

simulate("$dir/other.yaml", '--policy', 'predictive', '--moves',
         "$dir/two.csv");
my ($one, $two) = map { join '', grep { /^(\d+),/
                                        && $1 <= $start + (3 * 288 + 72) * $step }
                        slurp($_) =~ /^(.*\n)/mg } "$dir/one.csv",
                                                   "$dir/two.csv";
cmp_ok(length $one, '>', 0, 'there are decisions in the common past');
is($one, $two, 'they do not depend on what comes');


###############################################################################
# steps of two hours, of two days, and of a minute: longer than what is done
# hourly, than what forecasts know of, and too many of them in a horizon

for my $case (['hourly', 7200, '1d'], ['daily', 2 * 86400, '20d'],
              ['minutely', 60, '1h'])
{
    my ($name, $long, $history) = @$case;

    put("$dir/$name.csv", "epoch,a,b,c\n",
        map { join(',', $start + $_ * $long, 12, 2, 2) . "\n" } 0 .. 83);
    put("$dir/$name.yaml", ($flat =~ s/flat\.csv\nhistory: 1h/$name.csv\nhistory: $history/r)
        . "moves:\n  time: 6d\nsplits:\n  allowed: on\n  above: 0.7\n");
    $f = simulate("$dir/$name.yaml", '--policy', 'reactive');
    is($f->{step_s}, $long, "steps of $long s");
    is($f->{policies}{reactive}{splits}, 1, 'and a cut');
}

for my $name (qw/ daily minutely /) {
    ($status, $out, $err) = run('simulate', "$dir/$name.yaml", '--policy',
                                'predictive');
    is($status, 2, "$name: no forecasts");
    like($err, qr/$name\.yaml: a fleet of 84 steps of \d+ s cannot be forecast/,
         'it says why');
    like($err, qr/leave predictive out of --policy/, 'and the way out');
}


###############################################################################
# pictures and the table

($status, $out) = run('simulate', "$dir/days.yaml", '--policy',
                      'static,reactive', '--plot', '-');
is($status, 0, 'a picture in text');
like($out, qr/^6 shards on 3 nodes, 1\.0 days of 300 s after 3\.0 days/,
     'what it is of');
like($out, qr/^static +\d+ .*\nreactive +\d+ /m, 'a line for each policy');
like($out, qr/^static: worst node.*\n( *\d\.\d \|[ :#]*\n)+moves [.0-9+]+$/m,
     'drawn');

SKIP: {
    skip 'no gnuplot', 2 if system('gnuplot --version >/dev/null 2>&1');

    ($status, $out, $err) = run('simulate', "$dir/days.yaml", '--policy',
                                'static,reactive', '--plot', "$dir/p.png");
    is($status, 0, 'a picture') or diag($err);
    like(slurp("$dir/p.png"), qr/^\x89PNG/, 'in a file');
}


###############################################################################
# the scenarios that come with the program

for my $path (sort glob "$top/conf/scenarios/*.yaml") {
    next if $path =~ /huge/;
    my $json = simulate($path, '--policy', 'static');
    cmp_ok($json->{policies} ? $json->{policies}{static}{node_hours}
                             : $json->{worst_over_bound}, '>=', 1,
           "$path: it has figures");
}


###############################################################################
# bad scenarios

for my $case (
    ["fleat: a.csv\n", ':1:1: unknown key "fleat", nearest is "fleet"'],
    ["nodes:\n  coun: 3\n", ':2:3: unknown key "coun", nearest is "count"'],
    ["nodes:\n  count: 0\n", ':2:10: "count" is 0, must be 1'],
    ["generate:\n  shape: wavy\n", ':2:10: .*"shape"'],
    ["moves:\n  time: soon\n", ':2:9: "time": "soon" is no time'],
    ["$flat" . "failures:\n  - n7 at 1h for 1h\n",
     ':9:5: "failures": "n7 at 1h for 1h": there is no such node'],
    ["$flat" . "failures:\n  - n0 for 1h\n", ':9:5: .*"NODE at TIME for TIME"'],
    ["$flat" . "failures:\n  - n0 at noon for 1h\n", ':9:5: .*a time is a'],
    ["$flat" . "failures:\n  - n0 at 9d for 1h\n", ':9:5: .*behind the fleet'],
    ["$flat" . "events:\n  - x2 at 2h for 1h shards a,z\n",
     ':9:5: .*a shard that the fleet has not'],
    ["$flat" . "events:\n  - twice at 2h for 1h\n", ':9:5: .*its effect'],
    ["$flat" . "events:\n  - x2 at 2h for 1h often\n", ':9:5: .*may come'],
    ["$flat" . "bytes:\n  file: none.csv\n", 'bytes \S*none.csv: No such'],
    ["fleet: flat.csv\nhistory: 6h\n", '"history" is 72 steps of 300 s'],
    ["fleet: none.csv\n", 'fleet \S*none\.csv: No such file'],
    ["fleet: flat.csv\nhistory: 1h\nnodes:\n  list:\n    - n0 z -4\n",
     ':5:7: "list": "n0 z -4": capacity must be a number above 0'],
    ["fleet: flat.csv\nhistory: 1h\nnodes:\n  list: [n0 z 4, n0 z 4]\n",
     ':4:10: .*of this name already'],
    ["generate:\n  shards: 100000\n", '"generate": 100000 shards of 28 days'],
    ["generate:\n  shards: 10\ntile: 100000\n", '"tile": 100000 shards'],
) {
    put("$dir/bad.yaml", $case->[0]);
    ($status, $out, $err) = run('simulate', "$dir/bad.yaml", '--policy',
                                'static');
    is($status, 2, "$case->[1]: exit status");
    like($err, qr/^shard-predictor: .*$case->[1]/, "$case->[1]: message");
    is($out, '', "$case->[1]: no table");
}

put("$dir/flat.yaml", $flat);
put("$dir/torn.csv", "epoch,a\n$start,1\n", $start + 300, ",1,2\n");
put("$dir/one.line", "epoch,a\n$start,1\n");

for my $case (
    [['--fleet', "$dir/torn.csv"], 'torn\.csv: line 3, '],
    [['--fleet', "$dir/one.line"], 'of more than one step'],
    [['--policy', 'reactve'], '"reactve" is unknown, nearest is reactive'],
    [['--policy', 'static,static'], 'policy static is given twice'],
    [['--policy', ''], '--policy "" is unknown'],
    [['--fewest-nodes', 'few'], '--fewest-nodes "few": violation-seconds'],
    [['--fewest-nodes', '1.2.3'], '--fewest-nodes "1.2.3": violation-sec'],
    [['--fewest-nodes', '.'], '--fewest-nodes ".": violation-seconds'],
    [['--fewest-nodes', ''], '--fewest-nodes "": violation-seconds'],
    [['--threads', '0'], '--threads "0": a number from 1'],
    [['--fleets', 'x'], 'nearest is --fleet'],
    [['and.yaml'], 'simulate needs one scenario'],
    [['--moves', "$dir/no/such.csv"], 'such.*: No such file', 1],
    [['--plot', "$dir/no/such.png"], '--plot: cannot write', 1],
) {
    ($status, $out, $err) = run('simulate', "$dir/flat.yaml",
                                (grep { $_ eq '--policy' } @{ $case->[0] })
                                ? () : ('--policy', 'static'),
                                @{ $case->[0] });
    is($status, $case->[2] || 2, "@{ $case->[0] }: exit status");
    like($err, qr/$case->[1]/, "@{ $case->[0] }: message");
}

($status, $out, $err) = run('simulate');
is($status, 2, 'no scenario');
($status, $out, $err) = run('simulate', '--help');
is($status, 0, 'help');
like($out, qr/^usage: shard-predictor simulate/, 'is printed');

done_testing();
