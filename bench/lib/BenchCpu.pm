package BenchCpu;

# CPU seconds of the proxy for 10,000 requests under wrk: this module, nginx's
# own "hash ... consistent", HAProxy with a consistent hash.  They take turns
# of 50 ms: each has a wrk of its own, stopped while it is another's turn.  A
# pair is two of one round, and how fast the machine was just then, which
# changes by a third from second to second, is the same for both.  The proxies
# have one processor, wrk and the backends another: what the scheduler moves
# about costs more than a balancer does.
#
#   round   module |##|  |  |##|  |  |##|        CPU and requests of each
#           hash   |  |##|  |  |##|  |  |        over the whole round
#           HAProxy|  |  |##|  |  |##|  |

use warnings;
use strict;

use Time::HiRes qw(sleep);

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
    load($t, $port{$_}, 2) for @balancers;

    for my $round (1 .. $args{rounds}) {
        my %now;
        my %pids = map { $_ => [ pids($t, "cpu_$_") ] } @balancers;
        my %before = map { $_ => cpu_of(@{ $pids{$_} }) } @balancers;
        my $n = take_turns($t, $args{seconds}, \%port,
                           $round % 2 ? @balancers : reverse @balancers);

        for my $balancer (@balancers) {
            $now{$balancer} = (cpu_of(@{ $pids{$balancer} })
                               - $before{$balancer}) / $n->{$balancer} * 10_000;
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


# keys of a script, the same for all; stopped work is no timeout

sub wrk {
    my ($port, $seconds) = @_;

    return (alone() ? () : qw(taskset -c 1), 'wrk', '-t1', '-c32',
            "-d${seconds}s", '--timeout', '60s',
            '-s', ShardTest::top() . '/bench/keys.lua',
            "http://127.0.0.1:$port/");
}


# requests that were answered

sub answered {
    my ($out, $failed) = @_;

    die "bench: wrk: $out\n"
        if $failed || $out =~ /Non-2xx|Socket errors/
           || $out !~ /(\d+) requests in/;

    return $1;
}


sub load {
    my ($t, $port, $seconds) = @_;

    my ($status, $out, $err) = $t->run(wrk($port, $seconds));

    return answered("$out$err", $status);
}


# each of them "seconds" long; { balancer => requests }

sub take_turns {
    my ($t, $seconds, $port, @balancers) = @_;

    my (%wrk, %answered);

    for my $balancer (@balancers) {
        unlink($t->dir() . "/wrk_$balancer.log");
        $wrk{$balancer} = $t->add(
            name => "wrk_$balancer", ends => 1,
            argv => [ wrk($port->{$balancer}, $seconds * @balancers) ]);
        $wrk{$balancer}->signal('STOP');
    }

    while (my @left = grep { !defined $answered{$_} } @balancers) {
        for my $balancer (@left) {
            my $wrk = $wrk{$balancer};

            $wrk->signal('CONT');
            sleep(0.05);
            $wrk->signal('STOP');
            next if $wrk->alive();

            $answered{$balancer} = answered($wrk->log_text(),
                                            $wrk->ended() ne 'status 0');
        }
    }

    return \%answered;
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
