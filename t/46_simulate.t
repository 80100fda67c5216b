#!/usr/bin/perl

# The simulate command: its figures against ones told by hand and ones told
# again here (and by the benchmark's judge where that is at hand) from the
# moves that it wrote; that policies see nothing they may not.

use warnings;
use strict;

use List::Util qw/ max sum /;
use Test::More;

use ShardTest::Predictor;
use ShardTest::Simulate;

plan skip_all => "no $program (run make)" unless -x $program;

my $seed = $ENV{TAP_SEED} || 1 + int(rand(1e9));
diag("TAP_SEED=$seed");
srand($seed);


###############################################################################
# told by hand: two nodes of 10, three shards of 6, 5 and 1: a lies on n0, b
# and c on n1, the less loaded one then.  For an hour b has 12.

fleet("$dir/hand.csv", ['a', 'b', 'c'],
      map { [6, $_ >= 24 && $_ < 36 ? 12 : 5, 1] } 0 .. 47);
put("$dir/hand.yaml", <<"EOF");
fleet: hand.csv
history: 2h
tune: 0s
nodes:
  list:
    - n0 east 10 2
    - n1 west 10
moves:
  time: 10m
bytes:
  gb: 3
EOF

my $hand = simulate("$dir/hand.yaml", '--policy', 'static', '--moves',
                    "$dir/hand-moves.csv");
my $f = $hand->{policies}{static};

is($hand->{shards}, 3, 'three shards');
is($hand->{steps}, 24, 'what is judged');
is($f->{violation_seconds}, 3600, 'an hour above capacity');
is(round($f->{excess}), round(3600 * 0.3), 'by three tenths of a node');
is(round($f->{max_utilisation}), 1.3, 'the worst node of all time');
is(round($f->{mean_utilisation}), round((19 + 12) / 2 / 20), 'the mean node');
is(round($f->{worst_over_mean}), round((13 / 9.5 + 1) / 2),
   'the worst over the mean');
is($f->{moves}, 0, 'nothing moves');
is($f->{node_hours}, 4, 'two nodes for two hours');
is($f->{cost}, 2 * 2 + 2 * 1, 'at what each costs');
is(slurp("$dir/hand-moves.csv"), "decided,start,commit,shard,from,to\n",
   'no moves are written');


###############################################################################
# told again from the moves

rhythmic("$dir/fleet.csv", 24, 10);
put("$dir/fleet.yaml", <<"EOF");
fleet: fleet.csv
history: 7d
tune: 2d
nodes:
  count: 4
  peak: 0.8
moves:
  time: 30m
bytes:
  gb_per_load: 0.5
EOF

my @policies = qw/ static reactive oracle /;
my $all = simulate("$dir/fleet.yaml", '--policy', join(',', @policies),
                   '--moves', "$dir/moves.csv");

for my $policy (@policies) {
    my $shown = $all->{policies}{$policy};
    my $told = again("$dir/fleet.csv", "$dir/moves-$policy.csv",
                     capacity => $all->{capacity}, nodes => 4,
                     first => 7 * 288, extra => 0.25, least => 6);

    is($shown->{violation_seconds}, $told->{violation_seconds},
       "$policy: violation-seconds are those of its moves");
    is($shown->{moves}, $told->{moves}, "$policy: so many moves");
    cmp_ok(abs($shown->{excess} - $told->{excess}), '<', 0.01,
           "$policy: excess");
    cmp_ok(abs($shown->{worst_over_mean} - $told->{worst_over_mean}), '<',
           1e-6, "$policy: worst over mean");
    is($told->{broken}, '', "$policy: no rule is broken");
    is($shown->{refused}, 0, "$policy: nor was it tried to");
}

my %v = map { $_ => $all->{policies}{$_}{violation_seconds} } @policies;
cmp_ok($v{reactive}, '<', $v{static}, 'moving helps');
cmp_ok($v{oracle}, '<', $v{static}, 'and so does seeing the future');

my $tuned = $all->{policies}{reactive}{tuned};
cmp_ok($tuned->{rest_s}, '>=', 7200, 'what is tuned keeps the rules');
is(scalar(grep { $_ == ($tuned->{doubt} // -1) } 0, 0.1), 1,
   'its doubt is told');
ok(!exists $all->{policies}{static}{tuned}, 'nothing to tune');

is(figures(simulate("$dir/fleet.yaml", '--policy', join(',', @policies),
                   '--threads', 1)),
   figures($all), 'the same again, by one thread');

SKIP: {
    my $judge = "$top/../shared/plan-bench/judge.py";
    skip "no $judge", 3 unless -r $judge;
    skip 'no python3 with numpy', 3
        if system('/usr/bin/python3 -c "import numpy" 2>/dev/null');

    rhythmic("$dir/month.csv", 18, 28);
    put("$dir/month.yaml",
        "fleet: month.csv\nnodes:\n  count: 6\n  peak: 0.8\n");
    my $month = simulate("$dir/month.yaml", '--policy', join(',', @policies),
                         '--moves', "$dir/month-moves.csv");

    for my $policy (@policies) {
        my $said = `/usr/bin/python3 $judge $dir/month.csv --nodes 6 --peak 0.8 --moves $dir/month-moves-$policy.csv`;
        my $shown = $month->{policies}{$policy};

        is($said, sprintf("{'violation_seconds': %d, 'excess': %.0f, 'moves': "
                          . "%d, 'worst_over_mean': %s}\n",
                          @{$shown}{qw/ violation_seconds excess moves /},
                          0 + sprintf('%.3f', $shown->{worst_over_mean})),
           "$policy: the judge says the same");
    }
}


###############################################################################
# what comes is seen by the oracle alone: two futures of one past

my @past = map { my $t = $_; [map { 5 + $_ % 3 + 4 * sin($t / 40 + $_) }
                              0 .. 11] } 0 .. 719;
my %future = (
    calm => [map { [map { 5 + $_ % 3 } 0 .. 11] } 0 .. 143],
    wild => [map { [map { $_ ? 5 + $_ % 3 : 12 + rand() } 0 .. 11] }
             0 .. 143],
);

for my $known (0, 1) {
    my %decided;

    for my $name (sort keys %future) {
        fleet("$dir/$name.csv", [map { "s$_" } 0 .. 11], @past,
              @{ $future{$name} });
        put("$dir/$name.yaml", "fleet: $name.csv\n"
            . "history: 2d\ntune: 0s\nknown_after: $known\n"
            . "nodes:\n  count: 3\n  capacity: 30\n");
        simulate("$dir/$name.yaml", '--policy', 'reactive,oracle', '--moves',
                 "$dir/seen.csv");

        for my $policy (qw/ reactive oracle /) {
            my (undef, @line) = split /\n/, slurp("$dir/seen-$policy.csv");
            $decided{$policy}{$name} = join "\n", grep {
                (split /,/)[0] <= $start + (719 + $known) * $step
            } @line;
        }
    }

    ok(length $decided{reactive}{calm}, 'there are decisions');
    is($decided{reactive}{calm}, $decided{reactive}{wild},
       "known after $known: the reactive policy does not see what comes");
    isnt($decided{oracle}{calm}, $decided{oracle}{wild},
         "known after $known: the oracle does");
}

# nor does the first placement of a tiled fleet, whose shards are up to six
# hours earlier

my %tiled;

for my $name (sort keys %future) {
    put("$dir/tiled.yaml", "fleet: $name.csv\nhistory: 2d\ntune: 0s\n"
        . "tile: 24\nnodes:\n  count: 3\n  capacity: 55\n");
    simulate("$dir/tiled.yaml", '--policy', 'reactive', '--moves',
             "$dir/tiled.csv");
    my (undef, @line) = split /\n/, slurp("$dir/tiled.csv");
    $tiled{$name} = join "\n", grep {
        (split /,/)[0] <= $start + (719 - 72) * $step
    } @line;
}

ok(length $tiled{calm}, 'tiled: there are decisions');
is($tiled{calm}, $tiled{wild}, 'tiled: they do not depend on what comes');

done_testing();

###############################################################################


sub round { return sprintf('%.6g', $_[0]) + 0 }


# figures and broken rules of moves, told from the fleet's own load

sub again {
    my ($path, $moves, %o) = @_;

    my ($head, @line) = split /\n/, slurp($path);
    my (undef, @name) = split /,/, $head;
    my @load = map { my (undef, @v) = split /,/; \@v } @line;
    my %index = map { $name[$_] => $_ } 0 .. $#name;
    my @owner = placed($o{nodes}, map { my $j = $_;
                                        sum(map { $load[$_][$j] }
                                            0 .. $o{first} - 1) }
                                  0 .. $#name);

    my (undef, @move) = split /\n/, slurp($moves);
    @move = map { my @m = split /,/;
                  { start => ($m[1] - $start) / $step,
                    commit => ($m[2] - $start) / $step,
                    shard => $index{$m[3]}, from => $m[4] =~ s/n//r,
                    to => $m[5] =~ s/n//r } } @move;

    my %told = (violation_seconds => 0, excess => 0, worst_over_mean => 0,
                moves => scalar @move, broken => '');
    my %last;

    for my $t ($o{first} .. $#load) {
        $owner[$_->{shard}] = $_->{to} for grep { $_->{commit} == $t } @move;
        my @flying = grep { $_->{start} <= $t && $t < $_->{commit} } @move;
        my @ends = (0) x $o{nodes};

        for my $m (grep { $_->{start} == $t } @move) {
            $told{broken} .= "step $t: not there\n"
                if $owner[$m->{shard}] != $m->{from};
            $told{broken} .= "step $t: not rested\n"
                if $t < ($last{$m->{shard}} // -1e9) + 24;
            $told{broken} .= "step $t: too short\n"
                if $m->{commit} - $t < $o{least};
            $last{$m->{shard}} = $t;
        }

        $ends[$_->{from}]++, $ends[$_->{to}]++ for @flying;
        $told{broken} .= "step $t: too many\n"
            if @flying > 8 || max(@ends) > 2;

        my @n = (0) x $o{nodes};
        $n[$owner[$_]] += $load[$t][$_] for 0 .. $#name;

        for my $m (@flying) {
            $n[$_] += $o{extra} * $load[$t][$m->{shard}]
                for $m->{from}, $m->{to};
        }

        for my $over (grep { $_ > 0 } map { $_ - $o{capacity} } @n) {
            $told{violation_seconds} += $step;
            $told{excess} += $step * $over / $o{capacity};
        }

        $told{worst_over_mean} += max(@n) / (sum(@n) / @n)
                                  / (@load - $o{first});
    }

    return \%told;
}


# by descending size, each on the then least loaded node

sub placed {
    my ($nodes, @size) = @_;

    my @used = (0) x $nodes;
    my @owner;

    for my $j (sort { $size[$b] <=> $size[$a] || $a <=> $b } 0 .. $#size) {
        my ($least) = sort { $used[$a] <=> $used[$b] || $a <=> $b }
                      0 .. $#used;
        $owner[$j] = $least;
        $used[$least] += $size[$j];
    }

    return @owner;
}
