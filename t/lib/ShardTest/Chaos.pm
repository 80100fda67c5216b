package ShardTest::Chaos;

# One cell of the matrix phase x fault x strategy x driver, in a world of its
# own: Redis, two nodes, two routers with load, a migrator that stops itself
# at the phase.  Then the fault is made, and the migrator goes on, or another:
#
#    move n1 ▶ n2 ──▶ stopped at the phase ──▶ fault ──▶ CONT ──▶ healed
#        ──▶ ends at one owner that serves ──▶ ledgers say nothing is lost
#
#     my $cell = ShardTest::Chaos::cell(phase => 'hold', fault => 'kill',
#                                       strategy => 'log-shipping',
#                                       driver => 'http');
#     print $cell->{ok} ? $cell->{end} : join '; ', @{ $cell->{bad} };

use warnings;
use strict;

use HTTP::Tiny;
use JSON::PP;
use Time::HiRes qw/ sleep time /;

use ShardTest;
use ShardTest::Proxy;


our @phases = qw/ planned claimed check copy catch-up warm-up shift consume hold
                  drain final-sync verify commit release standby /;

our @faults = qw/ kill stop source-killed target-killed redis-killed
                  router-killed reload disk-full target-500 target-slow
                  clock-ahead clock-back /;

our @strategies = qw/ log-shipping queue stateless /;
our @drivers = qw/ http none /;

# in these nothing may fail that a client sees

my %quiet = map { $_ => 1 } qw/ kill stop redis-killed reload target-slow
                                clock-ahead clock-back /;

my $shards = 4;
my ($faketime) = glob '/usr/lib/*/faketime/libfaketimeMT.so.1';


# why not, or undef when the cell is one

sub unfit {
    my (%cell) = @_;

    if ($cell{strategy} eq 'stateless') {
        return 'no such phase'
            if $cell{phase} =~ /^(copy|catch-up|consume|hold|drain|final-sync|verify|release)$/;
        return 'no data' if $cell{fault} eq 'disk-full';
        return 'no data' if $cell{driver} ne 'none';
        return;
    }

    return 'data must move' if $cell{driver} eq 'none';
    return 'queues only' if $cell{phase} eq 'consume'
                            && $cell{strategy} ne 'queue';
    return 'no libfaketime' if $cell{fault} =~ /^clock/ && !$faketime;
    return;
}


sub cell {
    my (%cell) = @_;

    my $began = time();
    my $self = bless { %cell, bad => [], end => 'none', failed => 0 },
        __PACKAGE__;

    eval {
        $self->world();
        $self->reach() && $self->fault();
        $self->settle();
        $self->judge();
    };

    push @{ $self->{bad} }, $@ =~ s/\n/ /gr if $@;
    $self->end();
    $self->{seconds} = sprintf('%.1f', time() - $began) + 0;
    $self->{ok} = @{ $self->{bad} } ? 0 : 1;

    return $self;
}


sub bad { my ($self, @why) = @_; push @{ $self->{bad} }, @why; }


sub world {
    my ($self) = @_;

    my $t = $self->{t} = ShardTest->new(shards => $shards, name => 'chaos');

    # by the second it may lose what it has answered when it is killed

    $t->start_redis('--appendfsync', 'always');

    if ($self->{strategy} eq 'stateless') {
        $self->stateless_nodes();
    } else {
        $self->nodes();
    }

    $self->{proxy} = ShardTest::Proxy->new(
        file => $t->dir() . '/n2.mode', to => $t->{nodes}{n2}{addr});
    $self->{n2_addr} = $t->{nodes}{n2}{addr};
    $t->{nodes}{n2}{addr} = $self->{proxy}->addr();

    $t->seed(nodes => [ 'n1' ],
             silent => $self->{strategy} eq 'stateless',
             record => { strategy => $self->{strategy} });
    $t->start_routers(2);

    wait_for { keys %{ $t->redis()->hash($t->key('routers')) } == 2 } 20,
        'both routers have reported';

    for my $edge (qw/ edge-1 edge-2 /) {
        $t->start_load(name => "load-$edge", prefix => $edge, rate => 60,
                       url => $t->router_url($edge), timeout => 12,
                       options => $self->{strategy} eq 'stateless'
                                  ? [ '--mix', '100,0,0' ] : []);
    }
}


sub nodes {
    my ($self) = @_;

    my $t = $self->{t};

    $t->start_node('n1', zone => 'z1');
    $t->start_node('n2', zone => 'z2');

    return if $self->{fault} ne 'disk-full';

    my $process = $t->process('n2');

    $process->stop();
    push @{ $process->{argv} }, '--map-size', '4m';
    $process->start();
}


sub stateless_nodes {
    my ($self) = @_;

    my $t = $self->{t};

    for my $name (qw/ n1 n2 /) {
        my $port = free_port();
        my $dir = $t->dir();

        $t->{nodes}{$name} = { name => $name, addr => "127.0.0.1:$port",
                               zone => 'z1', capacity => 1000 };
        spew("$dir/$name.conf", <<"CONF");
daemon off;
pid $dir/$name.pid;
error_log $dir/$name.log;
events { worker_connections 512; }
http {
    access_log off;
    server {
        listen 127.0.0.1:$port;
        location /kv/ { return 404; }
        location / { return 200 "well"; }
    }
}
CONF
        $t->add(name => $name, argv => [ '/usr/sbin/nginx', '-p', $dir, '-c',
                                         "$dir/$name.conf", '-e',
                                         "$dir/$name.log" ],
                ready => sub { ShardTest::listens("127.0.0.1:$port") });
    }
}


sub start_migrator {
    my ($self, $name, %env) = @_;

    my $t = $self->{t};

    if ($self->{fault} =~ /^clock/ && $name eq 'm1') {
        spew($t->dir() . '/clock', '+0');
        %env = (%env, LD_PRELOAD => $faketime, FAKETIME_NO_CACHE => 1,
                DONT_FAKE_MONOTONIC => 1,
                FAKETIME_TIMESTAMP_FILE => $t->dir() . '/clock');
    }

    return $t->start_daemon('shard-migrator', $name,
                            $t->migrator_conf($name, <<CONF), env => \%env);
request_timeout: 2s
hold:
    timeout: 3s
shift:
    step_bp: 2500
    interval: 50ms
timeouts:
    warm_up: 15s
    copy: 15s
    catch_up: 15s
    standby: 10s
CONF
}


sub phase_now {
    my ($self) = @_;
    return $self->{t}->migration($self->{id})->{phase} || 'planned';
}


sub ended { return $_[0]->phase_now() =~ /^(done|rolled-back)$/ }


sub is_stopped {
    my ($process) = @_;

    my $pid = $process->pid();
    open(my $f, '<', "/proc/$pid/stat") or return 0;
    return readline($f) =~ /^\d+ \(.*\) T /;
}


# true when the migrator stands at the phase; it may have none

sub reach {
    my ($self) = @_;

    my $t = $self->{t};

    # by then the shard has data

    wait_for { $t->redis()->command('XLEN', $t->key('metrics')) >= 3 } 20,
        'load';

    $self->{m1} = $self->start_migrator('m1',
                                        SHARD_MIGRATOR_STOP => $self->{phase});
    $self->{id} = $t->migrate(0, 'n2');

    wait_for { is_stopped($self->{m1}) || $self->ended() } 30,
        "the phase $self->{phase}";

    $self->{reached} = is_stopped($self->{m1});
    $self->bad("phase $self->{phase} was not reached") if !$self->{reached};

    return $self->{reached};
}


sub fault {
    my ($self) = @_;

    my $t = $self->{t};
    my $m1 = $self->{m1};
    my $fault = $self->{fault};
    my $go = sub { $m1->signal('CONT') };

    if ($fault eq 'kill') {
        $m1->kill();
        $self->start_migrator('m2');

    } elsif ($fault eq 'stop') {
        $self->start_migrator('m2');
        sleep($ENV{CHAOS_STOP_S} || 10);
        $go->();

    } elsif ($fault =~ /^(source|target|redis|router)-killed$/) {
        my $name = { source => 'n1', target => 'n2', redis => 'redis',
                     router => 'edge-2' }->{$1};

        $t->process($name)->kill();
        $go->();
        sleep(2);
        $t->process($name)->start();
        $t->redis()->close() if $name eq 'redis';

    } elsif ($fault eq 'reload') {
        my $nginx = $t->process('edge-1');
        my %old = map { $_ => 1 } $nginx->children();

        $nginx->signal('HUP');
        $go->();
        wait_for { (grep { !$old{$_} } $nginx->children()) >= 2 } 20,
            'new workers';

    } elsif ($fault eq 'disk-full') {
        $self->fill();
        $go->();

    } elsif ($fault =~ /^target-(500|slow)$/) {
        $self->{proxy}->mode($1 eq '500' ? '500' : 'slow 150');
        $go->();
        sleep(4);
        $self->{proxy}->mode('pass') if $1 eq '500';

    } elsif ($fault =~ /^clock-(ahead|back)$/) {
        spew($t->dir() . '/clock', ($1 eq 'ahead' ? '+' : '-') . '3600');
        $go->();
    }
}


# another shard of the target takes all the room there is

sub fill {
    my ($self) = @_;

    my $http = HTTP::Tiny->new(timeout => 10);
    my $url = "http://$self->{n2_addr}";
    my $n = 0;

    $http->put("$url/_shard/99/role",
               { content => '{"role":"primary","epoch":1}' });

    while ($n++ < 2000) {
        my $got = $http->put("$url/kv/fill-$n", {
            content => 'x' x 100000, headers => { 'X-Shard-Id' => 99 } });

        return if $got->{status} == 507;
        die "filling the target: $got->{status} $got->{content}\n"
            if $got->{status} !~ /^20/;
    }

    die "the target has room without end\n";
}


# to its end, by whoever is there

sub settle {
    my ($self) = @_;

    my $t = $self->{t};

    eval { wait_for { $self->ended() } 60, 'the end of the migration' }
        || die $@ =~ s/\n//r, '; it is in ', $self->phase_now(), "\n";

    my $m = $t->migration($self->{id});

    $self->{end} = $m->{phase};
    $self->{why} = ($m->{error} || '') =~ s|\s+| |gr;
    $self->{trail} = join ' ', ($m->{trail} || '') =~ /(\S+)@\d+/g;
    $self->{hold_ms} = ($m->{hold_ms} || 0) + 0;
}


sub judge {
    my ($self) = @_;

    my $t = $self->{t};
    my $rec = $t->shard_record(0);
    my $want = $self->{end} eq 'done' ? 'n2' : 'n1';

    $self->bad("owner is $rec->{primary}, not $want")
        if $rec->{primary} ne $want;
    $self->bad("the shard is left $rec->{phase}")
        if ($rec->{phase} || 'steady') ne 'steady';

    $self->judge_owner($rec) if $self->{strategy} ne 'stateless';

    $self->bad('rolled back, and nobody says why')
        if $self->{end} eq 'rolled-back' && $self->{why} !~ /\w+: \S/;

    my $log = join '', map { $t->{process}{$_}
                             ? $t->process($_)->log_text() : () } qw/ m1 m2 /;

    $self->bad("no log line tells of phase=$self->{end}")
        if $log !~ /migration=$self->{id} .*phase=\Q$self->{end}\E/;

    $self->judge_load($_) for qw/ edge-1 edge-2 /;
}


sub judge_owner {
    my ($self, $rec) = @_;

    my $addr = $self->{t}{nodes}{$rec->{primary}}{addr};
    my $got;

    eval {
        wait_for {
            $got = eval { decode_json(HTTP::Tiny->new(timeout => 5)->get(
                              "http://$addr/_shard/0/stats")->{content}) };
            $got && $got->{role} eq 'primary' && $got->{epoch} == $rec->{epoch}
        } 15, "$rec->{primary} serves as primary $rec->{epoch}"
    } || die $@ =~ s/\n//r, '; it is ',
             $got ? "$got->{role} $got->{epoch}" : 'silent', "\n";
}


sub judge_load {
    my ($self, $edge) = @_;

    my $report = $self->{t}->end_load("load-$edge");

    for my $field (qw/ lost_writes reordered stale_reads unverified /) {
        $self->bad("$edge: $report->{$field} $field, $report->{notes}[0]")
            if $report->{$field};
    }

    $self->{failed} += $report->{failed};
    $self->{requests} += $report->{requests};
    $self->bad("$edge: $report->{failed} failed, $report->{notes}[0]")
        if $report->{failed} && $quiet{$self->{fault}};
}


sub end {
    my ($self) = @_;

    my $t = delete $self->{t} or return;

    $t->allow(qr/exited on signal|locked by/);
    $_->signal('CONT') for grep { $_ } map { $t->{process}{$_} } qw/ m1 m2 /;
    $t->stop_all();
    $self->bad(grep { !/did not end within/ } $t->problems());
    $self->{proxy}->stop() if $self->{proxy};
    delete $self->{$_} for qw/ proxy m1 /;
    $self->{dir} = $t->dir();
    File::Path::remove_tree($t->dir()) if !@{ $self->{bad} };
    $t->{keep} = 1;
}


1;
