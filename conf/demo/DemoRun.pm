package DemoRun;

# One replay of the day, predictor in one mode, everything fresh.
#
#   wall clock   ──┬── lead-in ──┬───────── the day, compressed ─────────┬──▶
#   trace clock    23:00         00:00                               24:00
#
# The lead-in is load of the evening before, so that the predictor meets live
# load where its history ends; it is sent and verified but not judged.

use warnings;
use strict;

use File::Path qw/ make_path remove_tree /;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw/ strftime /;
use Time::HiRes qw/ sleep time /;

use DemoTrace;
use ShardTest;

use constant { NODES => 4, LEAD => 16, KEYSPACE => 'fleet' };


# mode, trace, day, scale, step_ms, seed, dir

sub new {
    my ($class, %args) = @_;

    return bless { %args, lines => [], said => {}, propagation => [] }, $class;
}


sub environment {
    my ($class, $dir, $shards) = @_;

    remove_tree($dir);
    make_path($dir);

    return ShardTest->new(dir => $dir, keep => 1, keyspace => KEYSPACE,
                          shards => $shards);
}


sub run {
    my ($self) = @_;

    my $t = $self->{t} = $self->environment($self->{dir},
                                            $self->{trace}->shards());

    $self->{speed} = DemoTrace::STEP * 1000 / $self->{step_ms};
    $self->{epoch} = $self->{trace}->day_epoch($self->{day});

    $self->start_servers();
    $self->start_replay();
    $self->follow();
    $self->collect();
    $t->stop_all();

    my @bad = $t->problems();
    die "demo: $self->{mode}: @bad[0 .. ($#bad > 4 ? 4 : $#bad)]\n" if @bad;

    return $self;
}


sub start_servers {
    my ($self) = @_;

    my ($t, $trace) = @$self{qw/ t trace /};
    my $capacity = sprintf '%.1f', $trace->{capacity} * $self->{scale};

    $t->start_redis();
    $t->start_nodes(NODES, capacity => $capacity);

    my $placement = "$self->{dir}/placement.csv";
    my $history = "$self->{dir}/history.csv";

    spew($placement, join '', map { "$_,n" . ($trace->{owner}[$_] + 1) . "\n" }
                              0 .. $trace->shards() - 1);
    srand($self->{seed});
    $trace->write_history($history, $self->{day}, $self->{scale},
                          $self->{step_ms});

    $t->ctl('init', '--shards', $trace->shards(), '--placement', $placement,
            map { my $n = $t->{nodes}{$_};
                  ('--node', "$_=$n->{addr},zone=$n->{zone},"
                   . "capacity=$capacity") } $t->node_names());
    $t->ctl('history', 'import', $history, '--format', 'fleet',
            '--interval', DemoTrace::STEP);

    $self->{initial} = [ map { 'n' . ($_ + 1) } @{ $trace->{owner} } ];
}


# nginx last: its first metrics are those of the load

sub start_replay {
    my ($self) = @_;

    my ($t, $trace) = @$self{qw/ t trace /};
    my $schedule = "$self->{dir}/schedule.csv";

    $trace->write_schedule($schedule, $self->{day}, LEAD, $self->{scale},
                           $self->{step_ms});

    $t->start_nginx(interval => '60ms', connections => 8192);
    wait_for { $t->api('')->{version} >= 1 } 10, 'the table in nginx';

    $self->{begin_ms} = int(time() * 1000) + 1000;
    $self->{day_ms} = $self->{begin_ms} + LEAD * $self->{step_ms};

    $t->add(name => 'load', ends => 1,
            argv => [ $t->program('shardload'), '--url', $t->url(''),
                      '--schedule', $schedule, '--seed', $self->{seed},
                      '--start-at', $self->{begin_ms}, '--verify',
                      '--connections', 4000, '--timeout', 30,
                      '--report', "$self->{dir}/load.json",
                      '--series', "$self->{dir}/load.csv" ]);

    $t->start_daemon('shard-migrator', 'migrator', $self->migrator_conf());
    $t->start_daemon('shard-predictor', 'predictor', $self->predictor_conf());
}


# as many shards as the trace has: what is above capacity is told by these

sub predictor_conf {
    my ($self) = @_;

    return <<"CONF";
redis:
    addr: ${\ $self->{t}->redis_addr() }
keyspace: ${\ KEYSPACE }
mode: $self->{mode}
interval: 5m
horizon: 2h
grace_real: 200ms
move_time: 45m
lead_margin: 30m
shards:
    min: ${\ $self->{trace}->shards() }
    max: ${\ $self->{trace}->shards() }
clock:
    speed: $self->{speed}
    real_ms: $self->{day_ms}
    epoch_s: $self->{epoch}
CONF
}


sub migrator_conf {
    my ($self) = @_;

    return <<"CONF";
redis:
    addr: ${\ $self->{t}->redis_addr() }
keyspace: ${\ KEYSPACE }
name: m1
scan: 50ms
gate:
    probes: 10
    probe_interval: 10ms
CONF
}


# what the clock of the trace says, hours and minutes

sub hour {
    my ($self, $epoch) = @_;
    return strftime('%H:%M', gmtime($epoch));
}


sub trace_epoch {
    my ($self, $ms) = @_;
    return $self->{epoch} + ($ms - $self->{day_ms}) / 1000 * $self->{speed};
}


# While it runs: what is forecast, decided and moved, at most two lines a
# second; and how fast a commit reaches the routers, once a second.

sub follow {
    my ($self) = @_;

    my $t = $self->{t};
    my $load = $t->process('load');
    my $next = time();

    while ($load->alive()) {
        my @bad = $t->problems();
        die "demo: $self->{mode}: $bad[0]\n" if @bad;

        $self->look();
        $self->say_some();
        $self->measure_propagation() if time() * 1000 > $self->{day_ms};

        # what is read back after the day is no load of it

        if (time() * 1000 > $self->{day_ms}
                            + DemoTrace::DAY * $self->{step_ms}
            && $t->process('predictor')->alive())
        {
            $t->process('predictor')->stop();
        }

        $next += 1;
        $next = time() if $next < time();
        sleep($next - time()) if $next > time();
    }

    print "  the day is over, everything was read back\n";
}


sub tell {
    my ($self, $key, $text) = @_;

    return if $self->{said}{$key}++;
    push @{ $self->{lines} }, $text;
}


sub say_some {
    my ($self) = @_;

    my $now = $self->hour($self->trace_epoch(time() * 1000));

    if (!@{ $self->{lines} } && ++$self->{quiet} >= 5) {
        push @{ $self->{lines} }, $self->forecast_line();
    }

    for my $line (splice(@{ $self->{lines} }, 0, 2)) {
        print "  $now  $line\n";
        $self->{quiet} = 0;
    }

    # what nobody could read as fast is told by the table at the end

    splice(@{ $self->{lines} }, 0, @{ $self->{lines} } - 2)
        if @{ $self->{lines} } > 2;
}


sub forecast_line {
    my ($self) = @_;

    my $zones = $self->{t}->redis()->hash($self->{t}->key('zones'));
    my ($worst) = sort { $b->{score} <=> $a->{score} }
                  map { decode_json($_) } values %$zones;

    return 'the predictor is learning' if !$worst;

    return sprintf 'forecast: the busiest node will be %s, %.0f %% of its '
                   . 'capacity at %s', $worst->{node}, 100 * $worst->{score},
                   $self->hour($worst->{peak_at});
}


sub look {
    my ($self) = @_;

    my $t = $self->{t};

    for my $entry ($t->redis()->stream($t->key('decisions'),
                                       $self->{decision_seen}))
    {
        $self->{decision_seen} = $entry->[0];
        $self->look_decision($entry->[1]);
    }

    for my $id (keys %{ $self->{decisions} }) {
        $self->look_migration($id);
    }
}


# what is no move has no migration that is followed

sub look_decision {
    my ($self, $d) = @_;

    if ($d->{verb} ne 'move') {
        $self->tell("decided $d->{id}",
                    "decided: $d->{verb} shard $d->{shard} of $d->{from}");
        return;
    }

    my $why = decode_json($d->{reason} || '{}');

    $self->{decisions}{ $d->{id} } = $d;
    $self->tell("decided $d->{id}", sprintf 'decided: shard %s moves from '
        . '%s to %s, or %s will be at %.0f %% at %s', $d->{shard},
        $d->{from}, $d->{to}, $d->{from},
        100 * ($why->{utilisation_from_before} || 0),
        $self->hour($why->{breach_at} || 0));
}


sub look_migration {
    my ($self, $id) = @_;

    return if $self->{ended}{$id};

    my $t = $self->{t};
    my $m = $t->redis()->hash($t->key("migration:$id"));
    my $phase = $m->{phase} || return;
    my $what = "shard $m->{shard} $m->{from} -> $m->{to}";

    $self->{migrations}{$id} = $m;

    if ($phase =~ /^(standby|done)$/) {
        $self->{ended}{$id} = $phase eq 'done';
        $self->tell("moved $id", sprintf 'moved:   %s, its requests held for '
                    . '%s ms', $what, $m->{hold_ms} || 0);

    } elsif ($phase =~ /^roll/) {
        $self->tell("back $id", "taken back: $what: $m->{error}");

    } else {
        $self->tell("moving $id", "moving:  $what, $phase");
    }
}


# A harmless commit (a node's record as it was) and the moment at which the
# router answers with its version or a later one: asked in turn over
# connections that both workers hold.  The time is an upper bound: it includes
# the commit's own round trip and one answer of the router.

sub measure_propagation {
    my ($self) = @_;

    my $t = $self->{t};
    my $node = $t->redis()->command('HGET', $t->key('nodes'), 'n1');

    $self->{asks} ||= [ map { HTTP::Tiny->new(timeout => 2) } 1 .. 6 ];

    my $start = time();
    my $got = $t->commit('nodes', 'node', 'n1', $node);

    return if $got->[0] ne 'ok';

    for my $ask (@{ $self->{asks} }) {
        while (time() < $start + 2) {
            my $answer = $ask->get($t->url("/shards/" . KEYSPACE));
            last if $answer->{success}
                    && decode_json($answer->{content})->{version} >= $got->[1];
        }
    }

    push @{ $self->{propagation} }, (time() - $start) * 1000;
}


# the loader's account, and the table's history

sub collect {
    my ($self) = @_;

    my $t = $self->{t};

    $self->{load} = decode_json(slurp("$self->{dir}/load.json"));
    $self->{steps} = $self->read_series("$self->{dir}/load.csv");

    wait_for {
        $self->look();
        !grep { !$self->{ended}{$_}
                && $self->{migrations}{$_}{phase} !~ /^(standby|rolled-back)$/
              } keys %{ $self->{migrations} || {} };
    } 20, 'the end of all migrations';

    my @moves;

    for my $m (values %{ $self->{migrations} || {} }) {
        my ($commit) = $m->{trail} =~ /\brelease\@(\d+)/;
        push @moves, { %$m, commit_ms => $commit } if $commit;
    }

    $self->{moves} = [ sort { $a->{commit_ms} <=> $b->{commit_ms} } @moves ];
    $self->judge();
}


sub read_series {
    my ($self, $path) = @_;

    open(my $f, '<', $path) or die "demo: $path: $!\n";
    chomp(my $head = readline($f));
    my @names = split /,/, $head;
    my @steps;

    while (my $line = readline($f)) {
        chomp $line;
        my %row;
        @row{@names} = split /,/, $line;
        push @steps, \%row;
    }

    splice(@steps, 0, LEAD);
    return \@steps;
}


# Utilisation of each node in each step of the day: requests that arrived for
# the shards it owned when the step began, wherever they waited, over what it
# carries in that time.

sub judge {
    my ($self) = @_;

    my $capacity = $self->{trace}{capacity} * $self->{scale};
    my @owner = @{ $self->{initial} };
    my @moves = @{ $self->{moves} };

    for my $step (@{ $self->{steps} }) {
        my $at = $self->{begin_ms} + $step->{start_ms};

        while (@moves && $moves[0]{commit_ms} <= $at) {
            my $m = shift @moves;
            $owner[ $m->{shard} ] = $m->{to};
        }

        my %load = map { $_ => 0 } $self->{t}->node_names();
        $load{ $owner[$_] } += $step->{"shard:$_"} for 0 .. $#owner;

        my $full = $capacity * ($step->{end_ms} - $step->{start_ms}) / 1000;
        $step->{use} = { map { $_ => $load{$_} / $full } keys %load };
        $step->{epoch} = $self->{epoch}
                         + ($at - $self->{day_ms}) / 1000 * $self->{speed};
        $self->{overload_seconds} += DemoTrace::STEP
                                     * grep { $_ > 1 } values %{ $step->{use} };

        # a shard that alone is more than a node carries overloads any

        $self->{unavoidable_seconds} += DemoTrace::STEP
            * grep { $step->{"shard:$_"} > $full } 0 .. $#owner;
    }
}


1;
