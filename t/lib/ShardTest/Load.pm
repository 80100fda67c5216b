package ShardTest;

# Load and moves of shards, for tests of the whole.

use warnings;
use strict;

use JSON::PP;


sub wait_for (&$$);        # of ShardTest.pm, which comes after this file


# shardload beside the test, until end_load(); it ends by itself after
# "seconds" (600)

sub start_load {
    my ($self, %args) = @_;

    my $name = $args{name} || 'load';

    $self->{process}{$name} = undef;

    return $self->add(
        name => $name, ends => 1,
        argv => [ $self->program('shardload'), '--url', $args{url} || $self->url(''),
                  '--rate', $args{rate} || 300,
                  '--seconds', $args{seconds} || 600,
                  '--shards', $self->{shards}, '--verify', '--poisson',
                  '--prefix', $args{prefix} || 'k',
                  '--timeout', $args{timeout} || 15,
                  '--seed', $args{seed} || int(rand(1e9)),
                  '--report', "$self->{dir}/$name.json",
                  @{ $args{options} || [] } ]);
}


# no more requests, everything read back: the loader's account

sub end_load {
    my ($self, $name) = @_;

    $name ||= 'load';

    my $load = $self->process($name);

    $load->signal('TERM');
    wait_for { !$load->alive() } 90, 'shardload reads everything back';

    return decode_json(slurp("$self->{dir}/$name.json"));
}


# requests that nginx has answered, by its metrics

sub served {
    my ($self) = @_;

    my $sum = 0;
    my $metrics = $self->get('/metrics')->{content};

    $sum += $1 while $metrics =~ /^nginx_shard_requests_total\{.*\} (\d+)/mg;
    return $sum;
}


# so that the next thing happens amid traffic

sub wait_served {
    my ($self, $more) = @_;

    my $want = $self->served() + $more;
    wait_for { $self->served() >= $want } 30, "$more more requests are served";
}


# nothing failed, lost or reordered, as one test each

sub load_is_clean {
    my ($self, $report, $name) = @_;

    my $tb = Test::More->builder();
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $tb->note("$name: $report->{requests} requests, "
              . "$report->{acknowledged_writes} writes and "
              . "$report->{acknowledged_appends} appends acknowledged, "
              . "$report->{held}{count} held, p99 "
              . sprintf('%.1f', $report->{latency}{p99_ms}) . " ms, seed "
              . $report->{seed});

    my $clean = 1;

    for my $field (qw/ failed lost_writes reordered stale_reads unverified /) {
        $clean &= $tb->is_num($report->{$field}, 0, "$name: no $field");
    }

    $tb->diag($_) for $clean ? () : @{ $report->{notes} };
    return $clean;
}


# by hand; its id

sub migrate {
    my ($self, $shard, $node) = @_;

    return $self->ctl('migrate', $shard, $node)->{id};
}


sub migration {
    my ($self, $id) = @_;

    return $self->redis()->hash($self->key("migration:$id"));
}


# the migration, when it has ended, by whoever lives

sub ended_migration {
    my ($self, $id, $what) = @_;

    wait_for { ($self->migration($id)->{phase} // '') =~ /^(done|rolled-back)$/ } 60, $what;
    return $self->migration($id);
}


# shard => its record, as Redis has it

sub records {
    my ($self) = @_;

    my $all = $self->redis()->hash($self->key('table'));
    return { map { ($_ => decode_json($all->{$_})) } keys %$all };
}


# shards in order of what they hold

sub shards_in_order {
    my ($self) = @_;

    my $rec = $self->records();
    my @ids = sort { $rec->{$a}{lo} cmp $rec->{$b}{lo} } keys %$rec;
    return @ids;
}


# how many of them are of a migration, or anything but steady

sub busy_shards {
    my ($self) = @_;

    my @busy = grep { $_->{migration} || ($_->{phase} // 'steady') ne 'steady' } values %{ $self->records() };
    return scalar @busy;
}


# one more migrator, with that configuration but for its name; and its end

sub one_migrator {
    my ($self, $conf, %args) = @_;

    my $name = 'm' . ++$self->{migrators};
    my $m = $self->start_daemon('shard-migrator', $name, $conf =~ s/^name: .*/name: $name/mr, %args);

    $m->{asked} = 1;
    return $m;
}

sub end_migrator {
    my ($self, $m) = @_;

    $m->{asked} = 1;
    $m->signal('TERM');
    wait_for { !$m->alive() } 30, 'the migrator ends';
}


# what becomes of the migration that "args" begin, by a migrator that dies where
# it is told to, and one that comes after it

sub killed_at {
    my ($self, $conf, $where, @args) = @_;

    my $doomed = $self->one_migrator($conf, env => { SHARD_MIGRATOR_CRASH => $where });
    my $id = $self->ctl(@args)->{id};

    wait_for { !$doomed->alive() } 60, "killed at $where";

    my $heir = $self->one_migrator($conf);
    my $end = $self->ended_migration($id, "the end of @args, killed at $where");

    $end->{busy} = $self->busy_shards();
    $self->end_migrator($heir);
    return $end;
}


# until each has ended; the ids of those that did not end in "done"

sub wait_migrations {
    my ($self, $seconds, @ids) = @_;

    my %phase;

    wait_for {
        for my $id (@ids) {
            next if ($phase{$id} || '') =~ /^(done|rolled-back)$/;
            $phase{$id} = $self->migration($id)->{phase} || 'none';
        }
        !grep { !/^(done|rolled-back)$/ } values %phase;
    } $seconds, 'migrations end: ' . join(' ', @ids);

    return grep { $phase{$_} ne 'done' } @ids;
}


# a migrator's configuration with the short times of a test

sub migrator_conf {
    my ($self, $name, $more) = @_;

    my ($addr, $keyspace) = ($self->redis_addr(), $self->{keyspace});
    $more = '' if !defined $more;

    return <<"CONF";
redis:
    addr: $addr
keyspace: $keyspace
name: $name
scan: 50ms
claim:
    ttl: 1s
gate:
    probes: 5
    probe_interval: 5ms
    latency_floor: 500ms
copy:
    catch_up_window: 200ms
$more
CONF
}


1;
