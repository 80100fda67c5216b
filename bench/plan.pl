#!/usr/bin/perl

# make bench-plan: what planning ahead is worth.  Policies on recorded fleets
# where there are some (TRACES, or FLEET=file.csv alone), against the reactive
# reference of their judge, who also recomputes our figures from our moves; on
# fleets made up here; and the size of fleets that one plan can take.  Prints
# a table with what was to be reached, leaves build/bench/plan.json.

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use FindBin;
use JSON::PP;
use List::Util qw(max min);
use Time::HiRes qw(time);

my $top = "$FindBin::Bin/..";
my $build = "$top/build/bench";
my $work = "$build/plan";
my $program = "$top/build/shard-predictor";
my $traces = $ENV{TRACES} || "$top/../shared/traces";
my $judge = $ENV{JUDGE} || "$top/../shared/plan-bench/judge.py";
my $python = '/usr/bin/python3';
my $began = time();

if (@ARGV) {
    my $help = $ARGV[0] eq '--help';
    print { $help ? *STDOUT : *STDERR }
        "usage: make bench-plan [TRACES=folder] [FLEET=file.csv] [JUDGE=judge.py]\n"
        . "prints what planning ahead is worth; build/bench/plan.json\n";
    exit($help ? 0 : 2);
}

$| = 1;
chdir $top or die "$top: $!\n";
remove_tree($work);
make_path($work);

my $judged = -r $judge && !system("$python -c 'import numpy' 2>/dev/null");
progress("no $judge, or no numpy: figures are ours alone") if !$judged;

my (@rows, %report);

for my $fleet ($ENV{FLEET} || "$traces/fleet-256.csv") {
    next if !-r $fleet && progress("no $fleet: a fleet made up here instead");

    recorded('peak 85 %, moves of 60 min', $fleet, 8, 0.85, 60, 0.35);
    recorded('peak 75 %, moves of 30 min', $fleet, 8, 0.75, 30, 0.30);
    fewest($fleet, 8, 0.85);
}

if (!-r ($ENV{FLEET} || "$traces/fleet-256.csv")) {
    made_up('peak-85', 0.35);
    made_up('peak-70', 0.30);
}

splits("$traces/fleet-64.csv");
walk();
stationary();
once('large', 1, undef, 1.02);
once('huge', 30, 8192, undef);

$report{rows} = \@rows;
$report{seconds} = time() - $began;

open(my $out, '>', "$build/plan.json") or die "plan.json: $!\n";
print $out JSON::PP->new->canonical->pretty->encode(\%report);
close $out or die "plan.json: $!\n";

print_rows();
printf "\n  build/bench/plan.json, %.1f min\n", $report{seconds} / 60;
exit(0);

###############################################################################


sub progress {
    printf STDERR "bench: %s [%.0f s]\n", $_[0], time() - $began;
    return 1;
}


# a line of the table: what is measured, against what, and what was aimed at

sub row {
    my ($what, $value, $aim, $note) = @_;

    push @rows, { what => $what, value => $value, aim => $aim, note => $note,
                  reached => !defined $aim ? undef
                             : defined $value && $value <= $aim
                             ? JSON::PP::true : JSON::PP::false };
}


sub simulate {
    my ($scenario, @args) = @_;

    open(my $in, '-|', $program, 'simulate', $scenario, '--json', @args)
        or die "$program: $!\n";
    local $/;
    my $text = <$in>;
    close $in;
    die "bench: $program simulate $scenario failed\n" if $?;

    return decode_json($text);
}


sub scenario {
    my ($name, $text) = @_;

    my $path = "$work/$name.yaml";
    open(my $f, '>', $path) or die "$path: $!\n";
    print $f $text;
    close $f or die "$path: $!\n";

    return $path;
}


# lines "policy {'figure': value, ...}", or one without a policy

sub judge {
    my ($fleet, @args) = @_;

    my %said;

    for (`$python $judge $fleet @args`) {
        my ($name, $figures) = /^(.*?) ?(\{.*\})$/ or die "bench: judge: $_";
        $said{$name} = decode_json($figures =~ tr/'/"/r);
    }

    die "bench: the judge refuses the moves\n" if $?;

    return \%said;
}


# of several the one with the fewest violations

sub least {
    my ($said, $policy) = @_;

    my ($best) = sort { $a->{violation_seconds} <=> $b->{violation_seconds} }
                 map { $said->{$_} } grep { /^\Q$policy\E at/ } keys %$said;

    return $best;
}


sub ratio { return $_[1] ? $_[0] / $_[1] : $_[0] ? 9.99 : 0 }


# against the judge's best reactive, with no more moves than it made; its
# reference is told about thresholds by the very week that is judged

sub recorded {
    my ($what, $fleet, $nodes, $peak, $minutes, $aim) = @_;

    my @args = ('--nodes', $nodes, '--peak', $peak, '--minutes', $minutes);
    my $name = "fleet-$minutes";
    my $path = scenario($name, "nodes:\n  count: $nodes\n  peak: $peak\n"
                               . "moves:\n  time: ${minutes}m\n");

    progress("$what: four policies");
    my $ours = simulate($path, '--fleet', $fleet, '--forecasts',
                        "$work/fleet.fc", '--moves', "$work/$name.csv");
    my $p = $ours->{policies};
    my $rival = $p->{reactive};

    if ($judged) {
        progress("$what: the judge");
        $rival = least(judge($fleet, @args), 'reactive');

        for my $policy (keys %$p) {
            my $said = judge($fleet, @args, '--moves',
                             "$work/$name-$policy.csv")->{''};
            die "bench: $policy: the judge says $said->{$_}, we $p->{$policy}{$_} $_\n"
                for grep { $said->{$_} != $p->{$policy}{$_} }
                    qw(violation_seconds moves);
        }
    }

    $report{$name} = { %$ours, rival => $rival };
    row("$what, against " . ($judged ? "the judge's" : 'the')
        . ' best reactive', ratio($p->{predictive}{violation_seconds},
                                  $rival->{violation_seconds}), $aim,
        figures($p, $rival));
    row('  moves over its moves', ratio($p->{predictive}{moves},
                                        $rival->{moves}), 1, '');
}


sub figures {
    my ($p, $rival) = @_;

    return join ', ', map { my ($name, $f) = @$_;
                            "$name $f->{violation_seconds} ($f->{moves})" }
           (map { [$_, $p->{$_}] } grep { $p->{$_} }
            qw(static reactive predictive oracle)),
           $rival && $rival != ($p->{reactive} || 0) ? ['judge', $rival] : ();
}


# nodes of the same size that each policy needs for what reacting leaves

sub fewest {
    my ($fleet, $nodes, $peak) = @_;

    my $bound = max(3600, $report{'fleet-60'}{policies}{predictive}
                          {violation_seconds});
    progress("fewest nodes for $bound violation-seconds");
    my $ours = simulate("$work/fleet-60.yaml", '--fleet', $fleet,
                        '--forecasts', "$work/fleet.fc", '--fewest-nodes',
                        $bound);
    my $p = $ours->{policies};

    $report{fewest} = { bound => $bound,
                        map { $_ => $p->{$_}{fewest_nodes} } keys %$p };
    my ($few, $most) = @{$report{fewest}}{qw(predictive static)};
    row('fewest nodes over those of static', ratio($few // 4 * $nodes,
                                                   $most // 4 * $nodes), 0.8,
        "at most $bound violation-seconds: "
        . join ', ', map { "$_ " . ($report{fewest}{$_} // 'none') }
          qw(static reactive predictive oracle));
}


sub made_up {
    my ($name, $aim) = @_;

    progress("$name: four policies");
    my $ours = simulate("conf/scenarios/$name.yaml");
    my $p = $ours->{policies};

    $report{$name} = $ours;
    row("$name (made up), against reactive",
        ratio($p->{predictive}{violation_seconds},
              $p->{reactive}{violation_seconds}), $aim, figures($p));
}


sub splits {
    my ($fleet) = @_;

    my @fleet = -r $fleet ? ('--fleet', $fleet) : ();
    progress('splits');
    my $ours = simulate('conf/scenarios/splits.yaml', @fleet);
    my $p = $ours->{policies};

    $report{splits} = $ours;
    row('splits allowed, 6 nodes' . (@fleet ? '' : ' (made up)')
        . ', against static', ratio($p->{predictive}{violation_seconds},
                                    $p->{static}{violation_seconds}), 0.3,
        figures($p) . "; $p->{predictive}{splits} splits");
}


sub walk {
    progress('random walk');
    my $ours = simulate('conf/scenarios/walk.yaml');
    my $p = $ours->{policies};

    $report{walk} = $ours;
    row('random walk, violation-seconds more than reactive',
        $p->{predictive}{violation_seconds}
        - $p->{reactive}{violation_seconds}, 0, figures($p));
}


sub stationary {
    progress('a stationary month');
    my $ours = simulate('conf/scenarios/stationary.yaml', '--policy',
                        'static,reactive,predictive', '--moves',
                        "$work/stationary.csv");
    my $p = $ours->{policies};
    open(my $in, '<', "$work/stationary-predictive.csv") or die "moves: $!\n";
    my (undef, @line) = <$in>;

    # a day is enough to settle

    my ($first) = sort { $a <=> $b } map { (split /,/)[0] } @line;
    my @late = grep { (split /,/)[0] > $first + 86400 } @line;

    $report{stationary} = { %$ours, moves_after_settling => scalar @late };
    row('stationary month, moves after its first day of moves', scalar @late,
        0, figures($p));
}


sub once {
    my ($name, $seconds, $mb, $bound) = @_;

    progress("one plan: $name");
    my $ours = simulate("conf/scenarios/$name.yaml");
    my $what = "$ours->{shards} shards on $ours->{nodes} nodes";

    $report{$name} = $ours;
    row("$what, plan in s of CPU", $ours->{plan_s}, $seconds,
        "$ours->{moves} moves");
    row('  worst node over the lower bound', $ours->{worst_over_bound}, $bound,
        sprintf 'before %.3f', $ours->{worst_over_bound_before});
    row('  MB', $ours->{peak_mb}, $mb, '') if $mb;
}


sub print_rows {
    print "\n";

    for my $r (@rows) {
        printf "  %-62s %8.3f  %s\n", $r->{what}, $r->{value},
               !defined $r->{aim} ? 'no aim'
               : sprintf 'aim %-6g %s', $r->{aim},
                         $r->{reached} ? 'reached' : 'NOT reached';
        printf "      %s\n", $r->{note} if length $r->{note};
    }
}
