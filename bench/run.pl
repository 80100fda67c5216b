#!/usr/bin/perl

# make bench: what the data plane costs, against nginx's own balancers and
# HAProxy in the same run.  Prints a table and what was aimed at, leaves
# build/bench/data-plane.json.
#
#   bench/lib/BenchInstructions.pm   instructions for a request (callgrind)
#   bench/lib/BenchCpu.pm            CPU seconds under wrk
#   bench/lib/BenchTable.pm          look-up, loads, commits, changes, flush
#   bench/lib/BenchCopy.pm           copies of shards by the migrator
#   bench/lib/BenchHolds.pm          how long requests wait while shards move
#   bench/lib/BenchServers.pm        the servers of all of them

use strict;
use warnings;

use File::Path qw(make_path);
use JSON::PP;
use Time::HiRes qw(time);

use ShardTest;

use BenchServers;
use BenchInstructions;
use BenchCpu;
use BenchTable;
use BenchCopy;
use BenchHolds;

my %part = (
    lookup => \&part_lookup, million => \&part_million, instructions => \&part_instructions,
    cpu => \&part_cpu, propagation => \&part_propagation, changes => \&part_changes,
    flush => \&part_flush, copy => \&part_copy, holds => \&part_holds);
my @parts = qw(lookup million flush propagation changes copy holds cpu instructions);

if (@ARGV && ($ARGV[0] eq '--help' || grep { !$part{$_} } @ARGV)) {
    my $help = $ARGV[0] eq '--help';
    print { $help ? *STDOUT : *STDERR }
        "usage: make bench [BENCH=\"PART...\"]\n"
        . "parts: @parts (default: all, 20 minutes)\n"
        . "prints what the data plane costs; build/bench/data-plane.json\n";
    exit($help ? 0 : 2);
}

@parts = @ARGV if @ARGV;
$| = 1;

for my $tool (qw(valgrind callgrind_control wrk haproxy)) {
    next if grep { -x "$_/$tool" } split(/:/, "$ENV{PATH}:/usr/sbin");
    die "bench: no $tool here: ./test.sh installs it (packages)\n";
}

my $t = ShardTest->new(name => 'bench');
my $build = ShardTest::top() . '/build/bench';
my $file = "$build/data-plane.json";
my %seeded;

make_path($build);

my %report = -f $file && @ARGV ? %{ decode_json(ShardTest::slurp($file)) } : ();

start_backends($t);
$t->start_redis('--appendonly', 'no');
$t->redis()->command('FUNCTION', 'LOAD', 'REPLACE', $t->library());

for my $n (0 .. $#parts) {
    my $began = time();
    progress(sprintf 'part %d of %d: %s', $n + 1, scalar @parts, $parts[$n]);
    $report{$parts[$n]} = $part{$parts[$n]}->();
    progress(sprintf '%s took %.0f s', $parts[$n], time() - $began);
}

my @problems = $t->problems();
$t->stop_all();
die "bench: " . join("\nbench: ", @problems) . "\n" if @problems;

print_table();
ShardTest::spew($file, JSON::PP->new->canonical->pretty->encode(\%report));
print "\n  $file\n";
exit(0);


# a keyspace of so many shards over so many nodes

sub table {
    my ($keyspace, $shards, $nodes, %more) = @_;

    $t->{keyspace} = $keyspace;

    if (!$seeded{$keyspace}++) {
        progress("writing a table of $shards shards on $nodes nodes");
        $t->seed_large($shards, $nodes, addr => \&node_addr, %more);
    }
}


sub part_lookup {
    my ($status, $out, $err) = $t->run("$build/lookup", 1000, 100000, 1000000);
    die "bench: lookup: $err" if $status;

    return decode_json($out);
}


sub part_million { table('orders3', 1_000_000, 3); return million($t) }

sub part_flush { table('tenthousand', 10_000, 3, kind => 'range uint64'); return flush_of($t, 10_000) }

sub part_propagation {
    table('thousand', 1000, 3);
    return propagation($t, routers => 4, commits => 300);
}

sub part_changes {
    table('elsewhere', 1000, 3);
    table('thousand', 1000, 3);
    return changes($t, elsewhere => 'elsewhere', rounds => $ENV{BENCH_ROUNDS} || 15, seconds => 2, rate => 1000);
}

sub part_copy {
    $t->{keyspace} = 'copied';
    return copy_of($t, large => $ENV{BENCH_LARGE} || 16_384, small => $ENV{BENCH_SMALL} || 1_000_000,
                   rounds => $ENV{BENCH_ROUNDS} // 9, seconds => 3);
}

sub part_holds {
    return holds_of(drivers => [ split ' ', $ENV{BENCH_DRIVERS} || 'http postgres redis' ],
                    alone => $ENV{BENCH_MOVES} || 60, together => $ENV{BENCH_MOVES} || 60,
                    at_once => 4, rate => 250, keys => 200);
}

sub part_cpu {
    my %got;

    for my $of ([ 3, 9, 9 ], [ 512, 3, 9 ]) {
        my ($nodes, $starts, $rounds) = @$of;

        table("orders$nodes", 1_000_000, $nodes);
        $got{$nodes} = cpu_seconds($t, nodes => $nodes, starts => $starts, rounds => $rounds,
            seconds => 1, ready => sub {
                my ($port) = @_;
                ShardTest::wait_for { BenchTable::version($t, $port) } 300, 'the table';
            });
    }

    return \%got;
}

sub part_instructions {
    table('orders3', 1_000_000, 3);
    table('orders512', 1_000_000, 512);
    return instructions($t, nodes => [ 3, 512 ], starts => 3, module_starts => 3);
}


sub line {
    my ($what, $got, $aim, $reached) = @_;

    printf "  %-58s %12s   %-22s %s\n", $what, $got, defined $aim ? "aim $aim" : '',
           defined $aim ? $reached ? 'reached' : 'MISSED' : '';
}



sub held {
    my ($holds) = @_;

    my %aim = (http => [ 10, 50 ], postgres => [ undef, 120 ]);

    for my $driver (sort keys %$holds) {
        my ($p50, $p99) = @{ $aim{$driver} || [] };

        for my $how ([ alone => 'one after another' ], [ together => 'four at once' ]) {
            my $h = $holds->{$driver}{$how->[0]};

            line("held ms, driver $driver, $how->[1]: p50", $h->{p50},
                 $p50 ? "<= $p50" : undef, $p50 && $h->{p50} <= $p50);
            line('    p99', $h->{p99}, $p99 ? "<= $p99" : undef, $p99 && $h->{p99} <= $p99);
            line('    longest', $h->{longest});
            line('    ' . join(', ', BenchHolds::phases()),
                 join(' ', map { $h->{phases}{$_}{p50} } BenchHolds::phases()));
        }

        my $faults = BenchHolds::faults($holds->{$driver}{load});
        line('    requests failed, lost, reordered or stale', $faults, 0, !$faults);
    }
}


sub print_table {
    print "\n";

    for my $nodes (sort { $a <=> $b } keys %{ $report{instructions} || {} }) {
        my $per = $report{instructions}{$nodes};
        my $ratio = $per->{module} / $per->{hash_consistent};
        my $aim = $nodes == 3 ? 1.00 : 0.97;

        line("instructions a request, $nodes nodes: round robin", $per->{round_robin});
        line("    hash \$arg_k consistent", $per->{hash_consistent});
        line("    shard, 1,000,000 shards", $per->{module});
        line("    shard / hash", sprintf('%.3f', $ratio), sprintf('<= %.2f', $aim), $ratio <= $aim);
        line("    shard / round robin", sprintf('%.3f', $per->{module} / $per->{round_robin}));
    }

    for my $nodes (sort { $a <=> $b } grep { /^\d+$/ } keys %{ $report{cpu} || {} }) {
        my $cpu = $report{cpu}{$nodes};

        next if !$cpu->{ratio_95};               # of an older bench

        line("CPU s for 10,000 requests, $nodes nodes: $_", $cpu->{seconds_per_10000}{$_})
            for sort keys %{ $cpu->{seconds_per_10000} };

        for (sort keys %{ $cpu->{ratio} }) {
            line("    shard / $_, median of pairs", $cpu->{ratio}{$_}, '< 1', $cpu->{ratio}{$_} < 1);
            line('        with 95 % between', join ' ', @{ $cpu->{ratio_95}{$_} });
        }
    }

    if (my $lookup = $report{lookup}) {
        line("look-up in $_ shards, ns: all of them, in any order", $lookup->{equal}{$_})
            for sort { $a <=> $b } keys %{ $lookup->{equal} };
        line("    in 1000000, warm", $lookup->{warm}{1000000}, '<= 60', $lookup->{warm}{1000000} <= 60);
    }

    if (my $m = $report{million}) {
        line('bytes of the zone for a shard, a million of them', $m->{zone_bytes_per_shard}, '<= 128',
             $m->{zone_bytes_per_shard} <= 128);
        line('    longest turn of the loop in a load, CPU ms', $m->{longest_turn_ms}, '<= 5',
             $m->{longest_turn_ms} <= 5);
        line('    a whole load, s', $m->{load_s});
    }

    if (my $p = $report{propagation}) {
        line('commit to every worker of 4 routers, p50 ms', $p->{p50});
        line('    p99 ms', $p->{p99}, '<= 5', $p->{p99} <= 5);
        line('    p99 ms from when the commit was sent', $p->{sent}{p99});
    }

    if ($report{changes} && $report{changes}{p99_ratio_95}) {
        my $c = $report{changes};

        line('table changes a second under load', $c->{rate_per_s}, '>= 1000', $c->{rate_per_s} >= 990);
        line('    p99 ms without', $c->{p99_ms_quiet});
        line('    p99 ms with as many of a table that is not here', $c->{p99_ms_elsewhere});
        line('    p99 ms with', $c->{p99_ms_changing});
        line('    with / as many elsewhere, median of pairs', $c->{p99_ratio});
        line('        with 95 % between', join(' ', @{ $c->{p99_ratio_95} }), 'from 1 down', $c->{p99_ratio_95}[0] <= 1);
    }

    if (my $c = $report{copy}) {
        line('copy of 1 GB in values of 64 KB, MB/s', $c->{large}{mb_per_s}, '>= 100', $c->{large}{mb_per_s} >= 100);
        line('copy of a million small values, a second', $c->{small}{items_per_s}, '>= 100000',
             $c->{small}{items_per_s} >= 100_000);
        line("    held ms, $_ values", $c->{$_}{hold_ms}, '<= 50', $c->{$_}{hold_ms} <= 50) for qw(large small);

        for (qw(large small)) {
            my $f = $c->{foreground}{$_} or next;
            line("p99 of 1,000 requests/s in a copy / before, $_ values", $f->{ratio}, '<= 1.2', $f->{ratio} <= 1.2);
            line('    MB/s meanwhile', $f->{mb_per_s}, '>= 100', $f->{mb_per_s} >= 100) if $_ eq 'large';
            line('    items/s meanwhile', $f->{items_per_s}, '>= 100000', $f->{items_per_s} >= 100_000) if $_ eq 'small';
        }
    }

    held($report{holds}) if $report{holds};

    if (my $f = $report{flush}) {
        line('metrics flush of 10,000 shards, ms of the worker', $f->{worker_ms}, '<= 2', $f->{worker_ms} <= 2);
    }
}
