# Forecasts of R's "forecast" package and of Prophet at origins that others
# are tested at, as rows for "shard-predictor backtest --also".
#
#   Rscript bench/forecast.R TASKS.csv OUT-FOLDER CPU-LIMIT TOTAL
#
# TASKS.csv: series,origin,interval,day,week,horizon,file; the file holds
# "epoch,value" lines, the history.  Each forecast runs in a process of its
# own, which is ended after CPU-LIMIT seconds of CPU (the fit cannot be
# stopped in another way); after TOTAL seconds of time nothing new is begun.
# All methods of a task follow each other, so that they end at the same one.
# Missing rows are forecasts that took longer.

suppressPackageStartupMessages({ library(parallel); library(forecast) })

args <- commandArgs(TRUE)
tasks <- read.csv(args[1], colClasses = c(series = "character", file = "character"))
out <- args[2]
limit <- as.numeric(args[3])
total <- as.numeric(args[4])
quantiles <- c(0.05, 0.1, 0.5, 0.9, 0.95)

# gaps: the value of a day before, else a line between neighbours

history <- function(task) {
    h <- read.csv(task$file, header = FALSE, col.names = c("t", "y"))
    for (i in which(is.na(h$y))) if (i > task$day) h$y[i] <- h$y[i - task$day]
    ok <- which(!is.na(h$y))
    h$y <- approx(ok, h$y[ok], seq_along(h$y), rule = 2)$y
    h
}

seasonal <- function(h, task)
    if (task$week > 0) msts(h$y, seasonal.periods = c(task$day, task$week)) else
        ts(h$y, frequency = task$day)

# of an object of the forecast package with levels 80 and 90

rows <- function(f)
    matrix(c(f$mean, f$lower[, 2], f$lower[, 1], f$mean, f$upper[, 1], f$upper[, 2]), ncol = 6)

stlf_rows <- function(h, task, ...)
    rows(stlf(seasonal(h, task), h = task$horizon, level = c(80, 90), ...))

methods <- list(
    `r-stlf` = function(h, task) stlf_rows(h, task, method = "ets"),
    `prophet` = function(h, task) {
        d <- data.frame(ds = as.POSIXct(h$t, origin = "1970-01-01", tz = "GMT"), y = h$y)
        m <- suppressMessages(prophet::prophet(d, daily.seasonality = TRUE,
                 weekly.seasonality = task$week > 0, yearly.seasonality = FALSE,
                 uncertainty.samples = 300))
        f <- data.frame(ds = tail(d$ds, 1) + task$interval * seq_len(task$horizon))
        p <- predict(m, f)$yhat
        q <- t(apply(prophet::predictive_samples(m, f)$yhat, 1, quantile, quantiles))
        q[, 3] <- p
        cbind(p, q)
    },
    `r-arima` = function(h, task) stlf_rows(h, task, method = "arima", max.p = 3, max.q = 3,
                                            max.order = 5, approximation = TRUE),
    # without the search for the best of eight variants, on two weeks: else minutes each
    `r-tbats` = function(h, task) {
        h <- tail(h, 14 * task$day)
        rows(forecast(tbats(seasonal(h, task), use.box.cox = FALSE, use.trend = FALSE,
                            use.arma.errors = FALSE, use.parallel = FALSE),
                      h = task$horizon, level = c(80, 90)))
    }
)

# loaded once, for all that are forked; it has a lot to say then

invisible(capture.output(have <- requireNamespace("prophet", quietly = TRUE), type = "message"))
if (!have) methods$prophet <- NULL

one <- function(name, task) {
    h <- history(task)
    before <- sum(proc.time()[1:2])
    p <- methods[[name]](h, task)
    seconds <- sum(proc.time()[1:2]) - before
    if (min(h$y) >= 0) p <- pmax(p, 0)
    stopifnot(all(is.finite(p)), nrow(p) == task$horizon)
    list(seconds = seconds, p = p)
}

# CPU seconds of a process, from its clock ticks

cpu <- function(pid) {
    stat <- tryCatch(readLines(sprintf("/proc/%d/stat", pid)), error = function(e) "",
                     warning = function(w) "")
    fields <- strsplit(sub(".*\\) ", "", stat), " ")[[1]]
    if (length(fields) < 13) 0 else sum(as.numeric(fields[12:13])) / 100
}

write_rows <- function(job, result) {
    p <- format(result$p, digits = 9, trim = TRUE, scientific = NA)
    cat(sprintf("%s,%d,%.4f,%d,%s\n", job$task$series, job$task$origin, result$seconds,
                seq_len(nrow(p)), apply(p, 1, paste, collapse = ",")),
        sep = "", file = job$file, append = TRUE)
}

for (name in names(methods))
    cat("series,origin,seconds,h,mean,q0.05,q0.1,q0.5,q0.9,q0.95\n",
        file = file.path(out, paste0(name, ".csv")))

queue <- list()
for (i in seq_len(nrow(tasks)))
    for (name in names(methods))
        queue[[length(queue) + 1]] <- list(name = name, task = tasks[i, ],
                                           file = file.path(out, paste0(name, ".csv")))

begun <- proc.time()[["elapsed"]]
terminal <- nzchar(Sys.getenv("BENCH_TERMINAL"))
running <- list()
count <- list()
done <- 0
said <- begun

note <- function(name, what) {
    key <- paste(name, what)
    count[[key]] <<- 1 + if (is.null(count[[key]])) 0 else count[[key]]
}

ended <- function(pid, result) {
    job <- running[[pid]]
    running[[pid]] <<- NULL
    done <<- done + 1
    if (is.list(result)) write_rows(job, result)
    if (inherits(result, "try-error") && !length(count[[paste(job$name, "failed")]]))
        cat(sprintf("R: %s, %s: %s\n", job$name, job$task$series, conditionMessage(attr(result, "condition"))),
            file = stderr())
    note(job$name, if (is.null(result)) "late" else if (is.list(result)) "made" else "failed")
}

show <- function(now) {
    text <- sprintf("R: %d of %d forecasts, now %s of %s, %.1f min left at most", done,
                    length(queue), if (length(running)) running[[1]]$name else "-",
                    if (length(running)) running[[1]]$task$series else "-",
                    max(0, total - (now - begun)) / 60)
    cat(if (terminal) paste0("\r", text, "\033[K") else paste0(text, "\n"), file = stderr())
}

step <- 0
while (step < length(queue) || length(running)) {
    now <- proc.time()[["elapsed"]]
    while (length(running) < detectCores() && step < length(queue) && now - begun < total) {
        step <- step + 1
        local({
            job <- queue[[step]]
            child <- mcparallel(try(one(job$name, job$task), silent = TRUE), mc.set.seed = TRUE)
            job$child <- child
            running[[as.character(child$pid)]] <<- job
        })
    }
    if (!length(running)) break
    got <- mccollect(lapply(running, function(job) job$child), wait = FALSE, timeout = 0.2)
    for (pid in names(got)) if (!is.null(running[[pid]])) ended(pid, got[[pid]])
    for (pid in names(running)) {
        if (cpu(as.integer(pid)) > limit || now - begun > total + limit) {
            tools::pskill(as.integer(pid), tools::SIGKILL)
            suppressWarnings(mccollect(running[[pid]]$child, wait = FALSE, timeout = 1))
            ended(pid, NULL)
        }
    }
    if (now - said > (if (terminal) 1 else 20)) { said <- now; show(now) }
}

if (terminal) cat("\r\033[K", file = stderr())

for (name in names(methods)) {
    n <- function(what) if (is.null(count[[paste(name, what)]])) 0 else count[[paste(name, what)]]
    cat(sprintf("%s,%d,%d,%d,%d\n", name, n("made"), n("late"), n("failed"),
                nrow(tasks) - n("made") - n("late") - n("failed")))
}
