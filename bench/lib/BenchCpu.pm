package BenchCpu;

# CPU seconds of the proxy for 10,000 requests under wrk: this module, nginx's
# own "hash ... consistent", HAProxy with a consistent hash.  One after the
# other, several rounds; a pair is two runs of one round, its ratio does not
# know how fast the machine was just then.  The proxies have one processor,
# wrk and the backends another: what the scheduler moves about costs more than
# a balancer does.

use warnings;
use strict;

use BenchServers;

use Exporter qw(import);

our @EXPORT = qw(cpu_seconds cpu_of);


sub cpu_seconds {
    my ($t, %args) = @_;

    my @balancers = qw(module hash_consistent haproxy);
    my (%port, %seconds, %ratio);

    for my $balancer (@balancers) {
        $port{$balancer} = start_proxy($t, "cpu_$balancer", balancer => $balancer,
            nodes => $args{nodes}, router => 'bench-cpu', interval => '1s', zone => '140m');
    }

    $args{ready}->($port{module});
    pin(0, pids($t, "cpu_$_")) for @balancers;
    pin(1, pids($t, 'backends'));
    load($port{$_}, 2) for @balancers;

    for my $round (1 .. $args{rounds}) {
        my %now;

        for my $balancer ($round % 2 ? @balancers : reverse @balancers) {
            my @pids = pids($t, "cpu_$balancer");
            my $before = cpu_of(@pids);
            my $n = load($port{$balancer}, $args{seconds});

            $now{$balancer} = (cpu_of(@pids) - $before) / $n * 10_000;
            push @{ $seconds{$balancer} }, $now{$balancer};
        }

        push @{ $ratio{$_} }, $now{module} / $now{$_} for qw(hash_consistent haproxy);
        progress(sprintf 'round %d: module %.3f s, hash %.3f s, HAProxy %.3f s of CPU for 10,000 requests',
                 $round, @now{@balancers});
    }

    $t->process("cpu_$_")->stop() for @balancers;

    return { seconds_per_10000 => { map { $_ => round(median(@{ $seconds{$_} }), 4) } @balancers },
             ratio => { map { $_ => round(median(@{ $ratio{$_} }), 3) } keys %ratio } };
}


# where there is one processor only it stays as it is

sub pin {
    my ($processor, @pids) = @_;

    return if alone();
    system("taskset -apc $processor $_ >/dev/null 2>&1") for @pids;
}


sub alone { return `nproc` < 2 }


sub round { return sprintf("%.$_[1]f", $_[0]) + 0 }


sub median {
    my @sorted = sort { $a <=> $b } @_;
    return $sorted[$#sorted / 2];
}


# requests that were answered; keys of a script, the same for all

sub load {
    my ($port, $seconds) = @_;

    my $script = ShardTest::top() . '/bench/keys.lua';
    my $on = alone() ? '' : 'taskset -c 1';
    my $out = `$on wrk -t1 -c32 -d${seconds}s -s $script http://127.0.0.1:$port/ 2>&1`;

    die "bench: wrk: $out\n" if $? || $out =~ /Non-2xx|Socket errors/;
    die "bench: wrk: $out\n" if $out !~ /(\d+) requests in/;

    return $1;
}


sub pids {
    my ($t, $name) = @_;

    my $process = $t->process($name);
    return ($process->pid(), $process->children());
}


# seconds on a CPU so far, of all of them together

sub cpu_of {
    my (@pids) = @_;

    my $ns = 0;

    for my $pid (@pids) {
        for my $file (glob "/proc/$pid/task/*/schedstat") {
            my ($run) = split / /, ShardTest::slurp($file);
            $ns += $run;
        }
    }

    return $ns / 1e9;
}


1;
