{{- define "hfitd.name" -}}
{{- $release := .Release.Name -}}
{{- (contains .Chart.Name $release | ternary $release (printf "%s-%s" $release .Chart.Name)) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "hfitd.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hfitd.labels" -}}
{{ include "hfitd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "hfitd.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "hfitd.scheme" -}}
{{ empty .Values.tls.existingSecret | ternary "HTTP" "HTTPS" }}
{{- end -}}

{{- define "hfitd.sharedClaim" -}}
{{ .Values.shared.existingClaim | default (printf "%s-shared" (include "hfitd.name" .)) }}
{{- end -}}

{{- /* What cannot work is refused before anything is made. */ -}}
{{- define "hfitd.check" -}}
{{- $many := or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled -}}
{{- if and $many (eq .Values.store.url "embedded:") -}}
{{- fail "several instances need a shared store: set store.url to a Redis, or replicas to 1 without autoscaling" -}}
{{- end -}}
{{- if and (eq .Values.kind "Deployment") (eq .Values.store.url "embedded:") -}}
{{- fail "the embedded store needs a disk of its own: set kind to StatefulSet, or store.url to a Redis" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (ne (urlParse .Values.origin).hostname .Values.ingress.host) -}}
{{- fail "origin has to name ingress.host: it is part of every signed login" -}}
{{- end -}}
{{- end -}}
